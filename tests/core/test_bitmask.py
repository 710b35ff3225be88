"""Masks of bits against arrays of bool."""

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from karyoscope.core.bitmask import BitMask

shapes = st.tuples(st.integers(0, 12), st.integers(0, 40))
masks = shapes.flatmap(lambda shape: arrays.arrays(bool, shape))
ends = st.none() | st.integers(-50, 50)


@given(masks, st.tuples(ends, ends), st.tuples(ends, ends))
def test_a_window_is_that_of_the_array(mask, rows, columns):
    window = slice(*rows), slice(*columns)
    found = BitMask(mask)[window]
    assert found.dtype == bool
    assert np.array_equal(found, mask[window])


@given(masks)
def test_all_of_it_is_the_array(mask):
    found = BitMask(mask)
    assert found.shape == mask.shape
    assert np.array_equal(np.asarray(found), mask)


def test_it_takes_an_eighth_of_the_memory_and_does_not_hold_the_array():
    mask = np.ones((300, 4096), bool)
    found = BitMask(mask)
    assert found.nbytes * 8 == mask.nbytes
    mask[:] = False
    assert np.asarray(found).all()


def test_windows_with_steps_and_arrays_without_a_copy_are_refused():
    found = BitMask(np.ones((4, 9), bool))
    with pytest.raises(ValueError, match="no steps"):
        found[::2, :]
    with pytest.raises(ValueError, match="not a copy"):
        np.asarray(found, copy=False)
