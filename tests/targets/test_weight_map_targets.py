import numpy as np
import pytest
from hypothesis import given, settings
from label_cases import label_maps
from scipy import ndimage

torch = pytest.importorskip("torch")

from karyoscope.targets.weighting import two_nearest, weight_map  # noqa: E402


def by_definition(image: np.ndarray, w0: float, sigma: float) -> np.ndarray:
    """Equation 2, one distance transform a nucleus."""
    labels = np.unique(image[image > 0])
    if len(labels) < 2:
        return np.ones(image.shape)
    away = np.sort([ndimage.distance_transform_edt(image != label) for label in labels], axis=0)
    return 1 + w0 * np.exp(-((away[0] + away[1]) ** 2) / (2 * sigma**2))


def test_between_two_pixels_by_hand():
    ids = torch.zeros(1, 1, 9, dtype=torch.int32)
    ids[0, 0, 1], ids[0, 0, 7] = 5, 2
    # Between the two d1 + d2 is 6; at the outer pixels it is 1 + 7.
    expected = 1 + 10 * np.exp(-(np.array([8, 6, 6, 6, 6, 6, 6, 6, 8]) ** 2) / 50)
    np.testing.assert_allclose(weight_map(ids)[0, 0].numpy(), expected, rtol=1e-6)


@settings(max_examples=50, deadline=None)
@given(label_maps())
def test_equals_the_definition(ids):
    for w0, sigma in ((10.0, 5.0), (3.0, 2.0)):
        weights = weight_map(ids, w0, sigma).numpy()
        for image, ours in zip(ids.numpy(), weights, strict=True):
            expected = by_definition(image, w0, sigma)
            np.testing.assert_allclose(ours, expected, atol=w0 * 2e-7, rtol=1e-5)


def test_equals_the_definition_on_real_labels(shared):
    with np.load(shared / "golden" / "conic_cases.npz") as cases:
        ids = cases["true"][:2, :128, :128, 0]
    ours = weight_map(torch.from_numpy(ids)).numpy()
    for image, weights in zip(ids, ours, strict=True):
        np.testing.assert_allclose(weights, by_definition(image, 10, 5), atol=2e-6, rtol=1e-5)


def test_a_nucleus_alone_and_none_weigh_one():
    ids = torch.zeros(2, 12, 12, dtype=torch.int32)
    ids[0, 3:6, 3:6] = 1
    assert torch.equal(weight_map(ids), torch.ones(2, 12, 12))


def test_reach_does_not_change_what_lies_within():
    ids = torch.zeros(1, 40, 5, dtype=torch.int32)
    ids[0, 2, 2], ids[0, 30, 2] = 1, 2
    short, _ = two_nearest(ids, 10)
    long, _ = two_nearest(ids, 39)
    assert torch.equal(short[long <= 10], long[long <= 10])
