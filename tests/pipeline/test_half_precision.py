"""Half precision: rounded as NumPy rounds it, but for what is next to nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from karyoscope.pipeline.tiling.half_precision import to_half, to_single

SMALLEST = np.float32(2.0**-14)


@settings(deadline=None)
@given(
    arrays(
        np.float32,
        st.integers(1, 50),
        elements=st.floats(-65504, 65504, width=32, allow_subnormal=True),
    )
)
def test_it_rounds_as_numpy_does(values):
    expected = np.where(np.abs(values) < SMALLEST, np.float32(0), values).astype(np.float16)
    assert np.array_equal(to_half(values), expected)


def test_every_half_that_is_not_subnormal_survives():
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves) & ((np.abs(halves) >= SMALLEST) | (halves == 0))]
    assert len(halves) == 2 * (30 * 1024 + 1)
    singles = to_single(halves)
    assert singles.dtype == np.float32
    assert np.array_equal(singles, halves.astype(np.float32))
    assert np.array_equal(to_half(singles), halves)


def test_what_is_too_large_stays_finite():
    assert to_half(np.array([1e6, -7e4], np.float32)).tolist() == [65504, -65504]


@pytest.mark.parametrize("view", [np.s_[2:5, 1:4], np.s_[:, :, 1], np.s_[::2], np.s_[:0]])
def test_any_view_keeps_its_shape(view):
    values = np.random.default_rng(0).random((6, 5, 3), np.float32)[view]
    assert np.array_equal(to_single(to_half(values)), values.astype(np.float16).astype(np.float32))
