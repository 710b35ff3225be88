import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyoscope.postprocessing.flooding import watershed
from karyoscope.postprocessing.labelling import label


def grown(markers: np.ndarray, height: np.ndarray, mask: np.ndarray) -> np.ndarray:
    labels = np.array(markers, np.int32, order="C")
    watershed(labels, height, np.ascontiguousarray(mask))
    return labels


def landscape(seed: int, height: int = 90, width: int = 110):
    """Energy, markers in its valleys, mask."""
    rng = np.random.default_rng(seed)

    def cloud(sigma: float) -> np.ndarray:
        noise = rng.random((height, width)).astype(np.float32)
        return cv2.GaussianBlur(noise, (0, 0), sigma)

    mask = (cloud(3) > 0.49).astype(np.uint8)
    energy = cloud(1.5)
    return energy, label(((energy < 0.46) & (mask > 0)).astype(np.uint8)), mask


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("offset", [0.0, -0.5, -2.0])
def test_equals_scikit_image(seed, offset):
    segmentation = pytest.importorskip("skimage.segmentation")
    energy, markers, mask = landscape(seed)
    assert markers.max() > 50
    energy = energy + np.float32(offset)
    expected = segmentation.watershed(energy, markers, mask=mask > 0)
    np.testing.assert_array_equal(grown(markers, -energy, mask), expected)


def test_regions_without_a_marker_are_dropped_and_with_one_are_taken_whole():
    mask = np.array([[1, 1, 0, 1, 1], [1, 0, 0, 0, 1]], np.uint8)
    markers = np.zeros((2, 5), np.int32)
    markers[1, 4] = 7
    expected = np.array([[0, 0, 0, 7, 7], [0, 0, 0, 0, 7]])
    np.testing.assert_array_equal(grown(markers, np.zeros((2, 5)), mask), expected)


def test_markers_outside_the_mask_are_dropped():
    rng = np.random.default_rng(0)
    mask = (rng.random((40, 50)) < 0.6).astype(np.uint8)
    markers = rng.integers(0, 3, (40, 50)).astype(np.int32)
    result = grown(markers, rng.random((40, 50)), mask)
    assert not result[mask == 0].any()
    assert (result >= 0).all()
    inside = (markers > 0) & (mask > 0)
    np.testing.assert_array_equal(result[inside], markers[inside])


def test_markers_meet_on_the_ridge():
    energy = np.array([[0, 1, 2, 3, 9, 2, 1, 0]], np.float32)
    markers = np.array([[1, 0, 0, 0, 0, 0, 0, 2]], np.int32)
    result = grown(markers, -energy, np.ones((1, 8), np.uint8))
    np.testing.assert_array_equal(np.delete(result[0], 4), [1, 1, 1, 1, 2, 2, 2])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**16), st.integers(0, 12), st.integers(0, 12))
def test_other_regions_do_not_matter(seed, left, top):
    """A region that lies whole within a crop comes out of it as it does without."""
    energy, markers, mask = landscape(seed)
    whole = grown(markers, -energy, mask)
    part = (slice(top, top + 60), slice(left, left + 70))
    cropped = grown(markers[part], -energy[part], mask[part])
    regions = label(mask)
    cut = np.ones(mask.shape, bool)
    cut[part] = False
    uncut = np.setdiff1d(regions[part], np.append(regions[cut], 0))
    inside = np.isin(regions[part], uncut)
    np.testing.assert_array_equal(cropped[inside], whole[part][inside])
