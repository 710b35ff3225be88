"""The staining loss against colour deconvolution in NumPy."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from karyoscope.losses.staining import StainingLoss, stain_amounts  # noqa: E402
from karyoscope.stains import separate  # noqa: E402

RNG = np.random.default_rng(0)
FIRST, SECOND = (RNG.integers(0, 256, (2, 5, 7, 3), np.uint8) for _ in range(2))


def as_tensor(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2).double() / 255


def test_amounts_are_those_of_deconvolution():
    found = stain_amounts(as_tensor(FIRST)).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(found, separate(FIRST)[..., :2], atol=1e-4)


def test_value_is_the_sum_of_both_differences():
    a, b = separate(FIRST), separate(SECOND)
    expected = sum(np.abs(a[..., k] - b[..., k]).mean() for k in (0, 1))
    found = StainingLoss()(as_tensor(FIRST), as_tensor(SECOND)).item()
    assert found == pytest.approx(expected, rel=1e-4)


def test_nothing_to_learn_from_the_same_image():
    assert StainingLoss()(as_tensor(FIRST), as_tensor(FIRST)).item() == 0


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_black_and_white_have_gradients(value):
    image = torch.full((1, 3, 2, 2), value, requires_grad=True)
    StainingLoss()(image, as_tensor(FIRST)[:1, :, :2, :2].float()).backward()
    assert torch.isfinite(image.grad).all()
    assert image.grad.abs().sum() > 0
