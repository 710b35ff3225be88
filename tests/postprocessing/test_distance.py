"""Peaks of a map of distances, and the watershed from them."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_map_cases import THREE, distance_to_edge, dsb2018, noisy, panoptic_quality, perfect_maps

from karyoscope.postprocessing import POSTPROCESSINGS, postprocess
from karyoscope.postprocessing.distance import from_the_highest, peaks

METHOD = POSTPROCESSINGS["distance"]


def h_maxima(height: np.ndarray, mask: np.ndarray, h: float) -> np.ndarray:
    """Regional maxima of the reconstruction of ``height - h`` under ``height``, by definition."""
    low = np.where(mask, height, -1000).astype(np.float64)
    current = low - h
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    while True:
        grown = np.minimum(cv2.dilate(current, cross), low)
        if (grown == current).all():
            break
        current = grown
    # A plateau is a regional maximum if no pixel beside it is higher.
    higher = (cv2.dilate(current, cross) > current).astype(np.uint8)
    found = np.zeros(height.shape, np.int32)
    count = 0
    for value in np.unique(current[mask > 0]):
        plateau = ((current == value) & (mask > 0)).astype(np.uint8)
        n, parts = cv2.connectedComponents(plateau, connectivity=4)
        for k in range(1, n):
            if not higher[parts == k].any():
                count += 1
                found[parts == k] = count
    return found


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**31), st.sampled_from([1, 2, 3, 5]))
def test_peaks_are_the_h_maxima(rows, columns, seed, h):
    """With whole numbers, so that equal heights are many; a peak of each extended maximum."""
    rng = np.random.default_rng(seed)
    height = rng.integers(0, 8, (rows, columns)).astype(np.float32)
    mask = (rng.random((rows, columns)) < 0.8).astype(np.uint8)
    found = peaks(height, mask, h)
    expected = h_maxima(height, mask, h)
    assert found.max() == expected.max()
    assert set(expected[found > 0].tolist()) == set(range(1, expected.max() + 1))


@given(
    st.lists(
        st.sampled_from([0.0, -0.0, 1.5, -1.5, 2.0, -3e38, 1e-45, np.inf, -np.inf]), max_size=60
    )
)
def test_places_are_sorted_stably_by_falling_height(heights):
    height = np.array(heights, np.float32)
    places = np.arange(0, len(heights), 2)
    wanted = sorted(places, key=lambda place: -height[place])
    np.testing.assert_array_equal(from_the_highest(height, places), wanted)


def test_a_saddle_parts_two_peaks_if_it_is_deep():
    row = np.float32([[0, 1, 2, 3, 4, 2.5, 3, 3.2, 2, 1, 0]])
    maps = {"distance": row}
    whole, parted = row > 0.5, [[0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 0]]
    for dynamic, share, expected in (
        (1.0, 0.0, whole),
        (0.5, 0.0, parted),
        (0.5, 0.2, parted),
        (0.5, 0.4, whole),
    ):
        params = {"dynamic_px": dynamic, "dynamic_share": share, "min_part_um2": 0}
        np.testing.assert_array_equal(METHOD(maps, params, THREE, 0.5), expected)


def test_two_discs_that_touch():
    rows, columns = np.mgrid[:40, :60]
    labels = np.zeros((40, 60), np.int32)
    labels[(rows - 20) ** 2 + (columns - 20) ** 2 <= 100] = 1
    labels[((rows - 20) ** 2 + (columns - 38) ** 2 <= 100) & (labels == 0)] = 2
    maps = perfect_maps(labels)
    nuclei = postprocess("distance", maps, None, THREE, 0.5)
    assert len(nuclei) == 2
    assert panoptic_quality(labels, METHOD(maps, None, THREE, 0.5)) > 0.99


def test_small_regions_go():
    distance = np.zeros((20, 20), np.float32)
    distance[2:4, 2:4] = 1
    distance[8:16, 8:16] = 2
    assert METHOD({"distance": distance}, {"min_part_um2": 2.0}, THREE, 0.5).max() == 1
    assert METHOD({"distance": distance}, {"min_part_um2": 1.0}, THREE, 0.5).max() == 2


@pytest.mark.parametrize("which", range(4))
def test_noisy_distances_of_real_labels(which):
    labels = dsb2018()[which]
    found = METHOD(noisy({"distance": distance_to_edge(labels).astype("f4")}), None, THREE, 0.25)
    assert panoptic_quality(labels, found) > 0.85
