import numpy as np
import scipy.ndimage as ndi
from hypothesis import given, settings
from hypothesis import strategies as st
from label_map_cases import label_maps

from karyoscope.postprocessing.labelling import (
    fill_holes,
    label,
    label_larger,
    largest_parts,
    select,
)
from karyoscope.postprocessing.runs import find_runs

EIGHT = np.ones((3, 3))


@st.composite
def speckle(draw) -> np.ndarray:
    shape = draw(st.integers(1, 30)), draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.integers(0, draw(st.integers(2, 4)), shape).astype(np.int32)


@st.composite
def stretches(draw) -> np.ndarray:
    """Maps of every width near a multiple of 8, with long stretches or none, and of many runs."""
    height, width = draw(st.integers(0, 40)), draw(st.sampled_from([0, 1, 7, 8, 9, 16, 17, 333]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    times = draw(st.sampled_from([1, 3, 20]))
    image = rng.integers(-1, draw(st.integers(1, 3)), (height, -(-width // times)))
    image = np.repeat(image, times, 1)[:, :width].astype(draw(st.sampled_from(["i1", "i4", "i8"])))
    return np.asfortranarray(image) if draw(st.booleans()) else image


@given(stretches())
def test_runs_are_the_longest_stretches_of_one_value(image):
    runs = find_runs(image)
    painted = np.zeros_like(image)
    for row, start, stop, value in zip(*runs, strict=True):
        line = image[row]
        assert value != 0
        assert start == 0 or line[start - 1] != value
        assert stop == len(line) or line[stop] != value
        assert not painted[row, start:stop].any()
        painted[row, start:stop] = value
    np.testing.assert_array_equal(painted, image)
    assert (np.diff(runs.row * image.shape[1] + runs.start) > 0).all()


def test_more_runs_than_there_is_room_for_at_first():
    chess = (np.indices((64, 300)).sum(0) % 2).astype(np.uint8)
    assert len(find_runs(chess).row) == chess.sum()


@settings(max_examples=50, deadline=None)
@given(speckle())
def test_label_equals_scipy_on_every_value(image):
    labels = label(image)
    for value in range(1, image.max() + 1):
        reference, count = ndi.label(image == value)
        pairs = np.unique(np.stack([reference, labels])[:, image == value], axis=1)
        assert pairs.shape[1] == count
    assert (labels > 0).tolist() == (image > 0).tolist()
    first = np.unique(labels[labels > 0], return_index=True)[1]
    assert (np.diff(first) > 0).all()


def test_diagonal_pixels_are_apart():
    assert label(np.eye(3, dtype=np.uint8)).max() == 3


@settings(max_examples=30, deadline=None)
@given(speckle(), st.integers(0, 6))
def test_label_larger_drops_small_regions(image, area):
    labels = label(image)
    size = np.bincount(labels.ravel())
    expected = np.where(size[labels] >= area, labels > 0, False)
    result = label_larger(image, area)
    np.testing.assert_array_equal(result > 0, expected)
    np.testing.assert_array_equal(np.unique(result[result > 0]), np.arange(1, result.max() + 1))


def test_largest_parts_keeps_the_first_of_equals():
    labels = np.array([[1, 0, 1, 1, 0, 2], [0, 0, 0, 0, 0, 0], [2, 2, 0, 1, 1, 0]], np.int32)
    expected = np.array([[0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0], [2, 2, 0, 0, 0, 0]])
    largest_parts(labels)
    np.testing.assert_array_equal(labels, expected)


@settings(max_examples=50, deadline=None)
@given(speckle())
def test_fill_holes_equals_scipy_on_a_mask(image):
    """Regions are 4-connected, so what is around them is 8-connected."""
    mask = (image > 0).astype(np.int32)
    expected = ndi.binary_fill_holes(mask, EIGHT)
    fill_holes(mask)
    np.testing.assert_array_equal(mask, expected)


def test_fill_holes_takes_over_what_is_enclosed():
    labels = np.full((7, 8), 3, np.int32)
    labels[1:6, 1:6] = 0
    labels[2:4, 2:4] = 1
    labels[0, 7] = 2
    expected = np.full((7, 8), 3)
    expected[0, 7] = 2
    fill_holes(labels)
    np.testing.assert_array_equal(labels, expected)


def test_a_gap_between_touching_nuclei_is_no_hole():
    labels = np.array([[1, 1, 2], [1, 0, 2], [3, 3, 2]], np.int32)
    filled = labels.copy()
    fill_holes(filled)
    np.testing.assert_array_equal(filled, labels)


@settings(max_examples=30, deadline=None)
@given(label_maps(), st.integers(0, 2**32 - 1))
def test_select_keeps_pixels_and_numbers_in_raster_order(labels, seed):
    keep = np.random.default_rng(seed).random(labels.max() + 1) < 0.5
    keep[0] = False
    result = labels.copy()
    select(result, keep)
    np.testing.assert_array_equal(result > 0, keep[labels])
    kept = np.flatnonzero(keep)
    np.testing.assert_array_equal(kept[result[result > 0] - 1], labels[result > 0])
