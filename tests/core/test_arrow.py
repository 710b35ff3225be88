"""Arrow arrays made without pandas, against those of pyarrow."""

import hypothesis.extra.numpy as arrays
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from karyoscope.core.arrow import bytes_array, number_array, numbers_of, text_array

kinds = st.sampled_from(["u1", "i2", "u4", "i8", "f2", "f4", "f8", "bool"])
columns = st.tuples(kinds, st.integers(0, 20)).flatmap(lambda p: arrays.arrays(*p))


@given(columns)
def test_numbers_are_those_of_pyarrow(values):
    found = number_array(values)
    found.validate(full=True)
    # NaN is a value to both, but not equal to itself.
    assert found.type == pa.array(values).type
    assert found.null_count == 0
    assert np.array_equal(np.asarray(found.to_pylist(), values.dtype), values, equal_nan=True)


@given(columns, st.data())
def test_what_is_not_valid_is_missing(values, data):
    valid = data.draw(arrays.arrays(bool, len(values)))
    found = number_array(np.nan_to_num(values), valid)
    found.validate(full=True)
    assert found.equals(pa.array(np.nan_to_num(values), mask=~valid))


@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]))))
def test_texts_are_those_of_pyarrow(values):
    found = text_array(values)
    found.validate(full=True)
    assert found.equals(pa.array(values, pa.string()))


@given(st.lists(st.none() | st.binary()))
def test_bytes_are_those_of_pyarrow(values):
    found = bytes_array(values)
    found.validate(full=True)
    assert found.equals(pa.array(values, pa.binary()))


@given(columns)
def test_numbers_come_back(values):
    found = numbers_of(number_array(values))
    assert found.dtype == values.dtype
    assert np.array_equal(found, values, equal_nan=values.dtype.kind == "f")


@given(st.integers(0, 5), st.integers(0, 5))
def test_a_slice_comes_back(start, length):
    values = np.arange(10, dtype=np.float32)
    found = numbers_of(number_array(values).slice(start, length))
    assert found.tolist() == values[start : start + length].tolist()


def test_a_missing_number_is_nan():
    found = numbers_of(number_array(np.array([1.5, 2.5]), np.array([True, False])))
    assert found[0] == 1.5
    assert np.isnan(found[1])


def test_columns_that_are_not_contiguous():
    values = np.arange(10)[::2]
    assert number_array(values).to_pylist() == values.tolist()


def test_other_kinds_are_left_to_pyarrow():
    dates = np.array(["2026-11-28"], "M8[D]")
    assert number_array(dates).to_pylist() == dates.tolist()


def test_other_things_than_text_are_not_made_text():
    with pytest.raises(AttributeError):
        text_array([1.5])


def test_numbers_of_nothing():
    for kind in (pa.float32(), pa.int64()):
        found = numbers_of(pa.array([], kind))
        assert found.shape == (0,)
        assert found.dtype == kind.to_pandas_dtype()
