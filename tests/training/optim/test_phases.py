import pytest

torch = pytest.importorskip("torch")
L = pytest.importorskip("lightning")

from karyoscope.networks import build_network  # noqa: E402
from karyoscope.training.optim.phases import (  # noqa: E402
    Phase,
    Phases,
    batch_size_at,
    freeze,
    phase_at,
    rate_in_phases,
)

TWO = [Phase(steps=10, frozen=("encoder",)), Phase(steps=20)]


def test_phases_follow_each_other_and_the_last_goes_on():
    where = [(s, *phase_at(s, TWO)) for s in (0, 9, 10, 29, 50)]
    assert [(s, TWO.index(phase), within) for s, phase, within in where] == [
        (0, 0, 0), (9, 0, 9), (10, 1, 0), (29, 1, 19), (50, 1, 40),
    ]  # fmt: skip


def test_the_rate_drops_halfway_in_each_phase():
    rates = [rate_in_phases(s, TWO) for s in range(32)]
    assert rates == [1.0] * 5 + [0.1] * 5 + [1.0] * 10 + [0.1] * 12


def test_freezing_keeps_weights_and_statistics():
    network = build_network("hovernet", 2, width=0.125).train()
    freeze(network, ["encoder"])
    before = {k: v.clone() for k, v in network.encoder.state_dict().items()}
    outputs = network(torch.randn(2, 3, 32, 32))
    sum(v.square().mean() for v in outputs.values()).backward()
    assert all(p.grad is None for p in network.encoder.parameters())
    assert all(p.grad is not None for p in network.branches.parameters())
    after = network.encoder.state_dict()
    assert all(torch.equal(v, after[k]) for k, v in before.items())
    freeze(network, [])
    assert all(p.requires_grad for p in network.parameters())


def test_within_lightning(tmp_path):
    class Module(L.LightningModule):
        def __init__(self):
            super().__init__()
            encoder, head = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
            self.network = torch.nn.Sequential()
            self.network.add_module("encoder", encoder)
            self.network.add_module("head", head)
            self.seen = []

        def training_step(self, batch, index):
            encoder = self.network.get_submodule("encoder")
            self.seen.append((encoder.weight.detach().clone(), encoder.training))
            return self.network(batch).square().mean()

        def validation_step(self, batch, index):
            pass

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    module = Module()
    first = module.network.get_submodule("encoder").weight.detach().clone()
    trainer = L.Trainer(
        max_steps=6, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
        callbacks=[Phases([Phase(steps=3, frozen=("encoder",)), Phase(steps=3)])],
        val_check_interval=2, num_sanity_val_steps=0,
    )  # fmt: skip
    data = torch.utils.data.DataLoader(torch.randn(6, 2))
    trainer.fit(module, data, data)
    weights, training = zip(*module.seen, strict=True)
    assert all(torch.equal(w, first) for w in weights[:4])
    assert not torch.equal(weights[4], first)
    assert training[:3] == (False, False, False)


def test_thawed_parts_are_in_training_again():
    network = build_network("unet", 2, channels=[4, 8]).train()
    freeze(network, ["encoder"])
    assert not network.encoder.training
    freeze(network, [])
    assert network.encoder.training


def test_statistics_of_a_frozen_part_may_follow_the_batches():
    network = build_network("hovernet", 2, width=0.125).train()
    freeze(network, ["encoder"], "batch")
    before = {k: v.clone() for k, v in network.encoder.state_dict().items()}
    network(torch.randn(2, 3, 32, 32))
    after = network.encoder.state_dict()
    moved = {k for k, v in before.items() if not torch.equal(v, after[k])}
    assert moved == {k for k in before if "running" in k or "tracked" in k}


def test_a_phase_has_its_own_size_of_batches():
    phases = [Phase(steps=10), Phase(steps=5, batch_size=2)]
    assert [batch_size_at(s, phases, 8) for s in (0, 9, 10, 40)] == [8, 8, 2, 2]
    assert batch_size_at(3, [], 8) == 8
