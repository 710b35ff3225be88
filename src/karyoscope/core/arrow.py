"""Arrow arrays from and to NumPy, without pandas.

``pyarrow.array`` and ``to_numpy`` import pandas where that is installed, which takes half a second
and 45 MB.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa


def number_array(values: np.ndarray, valid: np.ndarray | None = None) -> pa.Array:
    """Return the array that ``pyarrow.array`` gives for numbers or truth values.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Not copied where it is contiguous and holds numbers.
    valid : ndarray of bool, shape (n,), optional
        Where it is False, there is no value.

    Examples
    --------
    >>> number_array(np.array([1, 2]), np.array([True, False])).to_pylist()
    [1, None]
    """
    if values.dtype.kind not in "biuf" or not values.dtype.isnative or values.ndim != 1:
        return pa.array(values, mask=None if valid is None else ~valid)
    kind = pa.from_numpy_dtype(values.dtype)
    data = _bits(values) if values.dtype == bool else pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(kind, len(values), [_validity(valid), data])


def text_array(values: Iterable[str | None]) -> pa.StringArray:
    """Return the array that ``pyarrow.array`` gives for texts.

    Parameters
    ----------
    values : iterable of str or None

    Examples
    --------
    >>> text_array(["a", None, "µ"]).to_pylist()
    ['a', None, 'µ']
    """
    return _of_bytes(pa.string(), [None if value is None else value.encode() for value in values])


def bytes_array(values: Iterable[bytes | None]) -> pa.BinaryArray:
    """Return the array that ``pyarrow.array`` gives for pieces of bytes.

    Parameters
    ----------
    values : iterable of bytes or None
    """
    return _of_bytes(pa.binary(), list(values))


def numbers_of(array: pa.Array) -> np.ndarray:
    """Numbers of an array, which cannot be written to; NaN where there is none.

    Parameters
    ----------
    array : pyarrow.Array
        Numbers or truth values.

    Examples
    --------
    >>> numbers_of(number_array(np.array([1.5, 2.5])))
    array([1.5, 2.5])
    """
    if array.null_count or pa.types.is_boolean(array.type):
        return np.asarray(array.to_numpy(zero_copy_only=False))
    kind = array.type.to_pandas_dtype()
    if not len(array):  # there may be no buffer
        return np.empty(0, kind)
    values = np.frombuffer(array.buffers()[1], kind)
    return values[array.offset : array.offset + len(array)]


def _of_bytes(kind: pa.DataType, values: list[bytes | None]) -> pa.Array:
    lengths = np.array([0, *(len(value or b"") for value in values)], np.int64)
    ends = np.cumsum(lengths)
    if ends[-1] > np.iinfo(np.int32).max:
        raise ValueError("more than 2 GB of text or outlines cannot be one array")
    missing = np.array([value is None for value in values], bool)
    data = pa.py_buffer(b"".join(value or b"" for value in values))
    offsets = pa.py_buffer(ends.astype(np.int32))
    return pa.Array.from_buffers(kind, len(values), [_validity(~missing), offsets, data])


def _validity(valid: np.ndarray | None) -> pa.Buffer | None:
    return None if valid is None or valid.all() else _bits(valid)


def _bits(values: np.ndarray) -> pa.Buffer:
    return pa.py_buffer(np.packbits(values, bitorder="little"))
