"""What a recipe can ask of the engine: optimisers, schedules, phases, SAM, pictures, logs."""

import importlib.util
from functools import partial

import pytest
from tiny_recipe import write_recipe

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.losses import LOSSES  # noqa: E402
from karyoscope.training import load_recipe, train  # noqa: E402
from karyoscope.training import run as run_module  # noqa: E402
from karyoscope.training.checkpoints import Checkpoints  # noqa: E402
from karyoscope.training.curves import read_log  # noqa: E402
from karyoscope.training.data.batches import TileBatches  # noqa: E402
from karyoscope.training.module import NucleusModule  # noqa: E402

VARIANTS = {
    "adam, cosine, no clipping": {
        "optimiser": {"name": "adam", "betas": [0.9, 0.99], "decay": None, "clip": None,
                      "schedule": "cosine"},
    },
    "sgd, SAM, steps, averaged": {
        "optimiser": {"name": "sgd", "lr": 0.01, "momentum": 0.9, "decay": None,
                      "sam": {"rho": 0.1}, "schedule": {"name": "step", "every": 1, "epoch": 2}},
        "training": {"ema": 0.9},
    },
    "phases, SAM": {
        "optimiser": {"decay": None, "sam": {"rho": 0.05}},
        "phases": [{"steps": 1}, {"steps": 3, "frozen": ["encoder"]}],
    },
}  # fmt: skip


@pytest.fixture
def tiny(tmp_path):
    return partial(write_recipe, tmp_path / "data")


def state_of(run):
    found = torch.load(run / "last.ckpt", weights_only=True)
    return {
        "weights": found["state_dict"],
        "moments": found["optimizer_states"][0]["state"],
        "rates": [group["lr"] for group in found["optimizer_states"][0]["param_groups"]],
    }


def assert_equal(a, b):
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_equal(a[key], b[key])
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    else:
        assert a == b


class Killed(Exception):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_a_killed_run_goes_on_bit_by_bit(name, tiny, tmp_path, monkeypatch):
    recipe = load_recipe(tiny(**VARIANTS[name]))
    monkeypatch.setattr(run_module, "Checkpoints", lambda out, every: Checkpoints(out, every=2))
    monkeypatch.setattr(run_module, "can_validate", lambda: False)
    train(recipe, tmp_path / "whole", device="cpu")
    batch = TileBatches.batch

    def until_killed(self, step):
        if step == 3:
            raise Killed
        return batch(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(TileBatches, "batch", until_killed)
        with pytest.raises(Killed):
            train(recipe, tmp_path / "parts", device="cpu")
    train(recipe, tmp_path / "parts", resume=True, device="cpu")
    assert_equal(state_of(tmp_path / "parts"), state_of(tmp_path / "whole"))


def module_and_batch(path, *changes):
    recipe = load_recipe(path, list(changes))
    torch.manual_seed(0)
    module = NucleusModule(recipe, 1).train()
    module.log = lambda *args, **options: module.__dict__.setdefault("logged", []).append(args[0])
    image = 255 * torch.rand(2, 3, 64, 64)
    ids = torch.zeros(2, 64, 64, dtype=torch.int32)
    ids[:, 10:24, 8:30] = 1
    from karyoscope.targets import make_targets

    return module, (image, make_targets(module.needs, ids, (ids > 0).to(torch.uint8)))


def test_the_second_pass_of_sam_leaves_statistics_and_log_and_repeats_dropout(tiny):
    module, batch = module_and_batch(tiny(), "optimiser.sam.rho=0.1", "optimiser.name=sgd")
    optimiser = module.configure_optimizers()["optimizer"]
    buffers, masks = [], []
    module.network.instance_decoder.levels[0][2].register_forward_hook(
        lambda _, seen, given: masks.append(given.detach() == 0)
    )

    def closure():
        optimiser.zero_grad()
        loss = module.training_step(batch, 0)
        loss.backward()
        buffers.append({k: v.clone() for k, v in module.named_buffers()})
        return loss

    before = {k: v.clone() for k, v in module.named_buffers()}
    optimiser.step(closure)
    moved = [k for k in before if not torch.equal(before[k], buffers[0][k])]
    assert "losses.prior_weighted_types.prior" in moved
    assert any("running_var" in k for k in moved)
    assert_equal(buffers[1], buffers[0])
    assert len(module.logged) == len(set(module.logged)) == 4
    dropped = [mask.flatten(2).all(2) for mask in masks]
    assert torch.equal(*dropped)
    assert dropped[0].any()
    # And the pass after it moves them again.
    closure()
    assert not torch.equal(
        buffers[2]["losses.prior_weighted_types.prior"],
        buffers[1]["losses.prior_weighted_types.prior"],
    )


def test_each_optimiser_has_the_rates_and_options_of_the_recipe(tiny):
    path = tiny()
    for name, kind, options in (
        ("adamw", torch.optim.AdamW, {"betas": (0.8, 0.9)}),
        ("adam", torch.optim.Adam, {"betas": (0.8, 0.9)}),
        ("sgd", torch.optim.SGD, {"momentum": 0.9}),
        ("rmsprop", torch.optim.RMSprop, {"momentum": 0.9}),
    ):
        changes = [f"optimiser.{k}={list(v) if k == 'betas' else v}" for k, v in options.items()]
        recipe = load_recipe(path, [f"optimiser.name={name}", "optimiser.encoder_lr=0.5", *changes])
        optimiser = NucleusModule(recipe, 1).configure_optimizers()["optimizer"]
        assert type(optimiser) is kind
        encoder, rest = optimiser.param_groups
        assert encoder["lr"] == pytest.approx(0.5 * rest["lr"])
        for key, value in options.items():
            assert tuple(rest[key]) == value if key == "betas" else rest[key] == value


def test_a_new_loss_is_one_file_and_one_line(tiny, tmp_path, monkeypatch):
    class MeanForeground(torch.nn.Module):
        reads = ("three_label",)
        needs = ("three_label",)

        def __init__(self, target: float = 0.2) -> None:
            super().__init__()
            self.target = target

        def forward(self, outputs, targets):
            share = outputs["three_label"].float().softmax(1)[:, 1:].sum(1).mean()
            return (share - self.target).square()

    monkeypatch.setitem(LOSSES, "mean_foreground", MeanForeground)
    losses = [{"name": "three_label"}, {"name": "mean_foreground", "weight": 3, "target": 0.5}]
    path = tiny(losses=losses, training={"steps": 2}, optimiser={"name": "sgd"})
    train(load_recipe(path), tmp_path / "run", device="cpu")
    logged = read_log(tmp_path / "run")
    assert torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["global_step"] == 2
    assert any("val/pq" in row for row in logged.values())
    # The tiles of the validation: two images, each beside its true and its predicted nuclei.
    import cv2

    picture = cv2.imread(str(tmp_path / "run" / "tiles" / "0000002.png"))
    assert picture.shape == (2 * (2 * 192 + 8), 3 * 2 * 192 + 2 * 8, 3)


def test_a_log_for_tensorboard_needs_it(tiny, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n: None if n == "tensorboard" else find(n)
    )
    with pytest.raises(KaryoscopeError, match="run `pip install tensorboard`") as caught:
        train(load_recipe(tiny()), tmp_path / "run", device="cpu", log_to="tensorboard")
    assert "\n" not in str(caught.value)
