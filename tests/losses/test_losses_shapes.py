"""Outputs and targets of different sizes."""

import pytest
from loss_cases import CLASSES, REQUIRED, batch_targets, labels, outputs_at

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from karyoscope.losses import build_loss  # noqa: E402


@pytest.fixture(scope="module")
def targets() -> dict[str, torch.Tensor]:
    return batch_targets(*labels())


@pytest.mark.parametrize("name", ["types_cross_entropy", "types_dice", "types_cost_sensitive"])
def test_a_coarser_output_is_compared_with_every_second_pixel(name, targets):
    loss = build_loss(name, CLASSES, **REQUIRED.get(name, {}))
    coarse = {k: v[..., ::2, ::2] for k, v in outputs_at(targets, 0.5).items()}
    beside = {"types": targets["types"][:, ::2, ::2]}
    torch.testing.assert_close(loss(coarse, targets), loss(coarse, beside))


def test_targets_that_were_not_cropped_are_named(targets):
    smaller = {k: v[..., 5:-5, 5:-5] for k, v in outputs_at(targets, 0.5).items()}
    with pytest.raises(ValueError, match="crop them by the network's margin"):
        build_loss("np_dice", CLASSES)(smaller, targets)
