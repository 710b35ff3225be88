from copy import deepcopy

import pytest

torch = pytest.importorskip("torch")

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.training.optim.sam import SAM  # noqa: E402

A = torch.diag(torch.tensor([1.0, 10.0]))


def bowl(w: torch.Tensor) -> torch.Tensor:
    return 0.5 * w @ A @ w


def closure_for(optimiser, w, seen=None):
    def closure():
        optimiser.zero_grad()
        loss = bowl(w)
        loss.backward()
        if seen is not None:
            seen.append(w.detach().clone())
        return loss

    return closure


def test_the_two_steps_of_the_definition():
    w = torch.tensor([3.0, 1.0], requires_grad=True)
    optimiser = SAM(torch.optim.SGD([w], lr=0.1), rho=0.5)
    before, seen = w.detach().clone(), []
    loss = optimiser.step(closure_for(optimiser, w, seen))
    gradient = A @ before
    worst = before + 0.5 * gradient / gradient.norm()
    assert loss == bowl(before)
    torch.testing.assert_close(seen, [before, worst])
    torch.testing.assert_close(w.detach(), before - 0.1 * A @ worst)


@pytest.mark.parametrize("base", [torch.optim.AdamW, torch.optim.Adam, torch.optim.RMSprop])
def test_around_any_optimiser(base):
    w = torch.tensor([3.0, 1.0], requires_grad=True)
    v = w.detach().clone().requires_grad_()
    sam, plain = SAM(base([w], lr=0.05), rho=0.1), base([v], lr=0.05)
    for _ in range(5):
        at = v.detach().clone()
        gradient = A @ at
        v.grad = A @ (at + 0.1 * gradient / gradient.norm())
        plain.step()
        sam.step(closure_for(sam, w))
    torch.testing.assert_close(w, v)


def test_the_norm_is_over_all_parameters_and_idle_ones_stay():
    a, b, idle = (torch.tensor([x], requires_grad=True) for x in (3.0, 4.0, 5.0))
    optimiser = SAM(torch.optim.SGD([{"params": [a]}, {"params": [b, idle]}], lr=1.0), rho=1.0)
    seen = []

    def closure():
        optimiser.zero_grad()
        loss = 0.5 * (a**2 + b**2).sum()
        loss.backward()
        seen.append((a.item(), b.item()))
        return loss

    optimiser.step(closure)
    assert seen == [pytest.approx((3, 4)), pytest.approx((3.6, 4.8))]
    assert idle.item() == 5


def test_a_schedule_moves_the_rate_of_the_base():
    w = torch.tensor([3.0, 1.0], requires_grad=True)
    base = torch.optim.AdamW([w], lr=0.1)
    optimiser = SAM(base)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 0.5**step)
    optimiser.step(closure_for(optimiser, w))
    schedule.step()
    assert base.param_groups[0]["lr"] == pytest.approx(0.05)


def test_state_is_that_of_the_base_and_survives_a_restart():
    def run(steps, optimiser, w):
        for _ in range(steps):
            optimiser.step(closure_for(optimiser, w))

    w = torch.tensor([3.0, 1.0], requires_grad=True)
    whole = SAM(torch.optim.AdamW([w], lr=0.05))
    run(3, whole, w)
    v = w.detach().clone().requires_grad_()
    resumed = SAM(torch.optim.AdamW([v], lr=0.9))
    resumed.load_state_dict(deepcopy(whole.state_dict()))
    run(3, whole, w)
    run(3, resumed, v)
    assert torch.equal(w, v)
    assert resumed.param_groups is resumed.base.param_groups


def test_wrong_use_is_named():
    w = torch.zeros(2, requires_grad=True)
    with pytest.raises(KaryoscopeError, match="needs a closure"):
        SAM(torch.optim.SGD([w], lr=0.1)).step()
    with pytest.raises(KaryoscopeError, match="radius of SAM is positive, got 0"):
        SAM(torch.optim.SGD([w], lr=0.1), rho=0)


def test_within_lightning(tmp_path):
    L = pytest.importorskip("lightning")

    class Module(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.tensor([3.0, 1.0]))

        def training_step(self, batch, index):
            return bowl(self.w)

        def configure_optimizers(self):
            optimiser = SAM(torch.optim.SGD([self.w], lr=0.1), rho=0.5)
            schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1.0)
            return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule}}

    module = Module()
    trainer = L.Trainer(
        max_steps=2, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(module, torch.utils.data.DataLoader(torch.zeros(4, 1)))
    w = torch.tensor([3.0, 1.0])
    for _ in range(2):
        w = w - 0.1 * A @ (w + 0.5 * (A @ w) / (A @ w).norm())
    torch.testing.assert_close(module.w.detach(), w)
    assert trainer.global_step == 2
