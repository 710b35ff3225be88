"""Outlines as well-known binary: little-endian polygons of one closed ring (OGC 06-103r4)."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from karyoscope.core.kernels import njit

_HEADER = 13
_POINT = 16


def to_wkb(vertices: np.ndarray, offsets: np.ndarray) -> pa.BinaryArray:
    """Encode outlines.

    Parameters
    ----------
    vertices : ndarray of float32, shape (v, 2)
        x, y, rings not closed.
    offsets : ndarray of int64, shape (n + 1,)
        Where each ring starts and ends.

    Returns
    -------
    pyarrow.BinaryArray of length n
    """
    ends = offsets * _POINT + np.arange(len(offsets)) * (_HEADER + _POINT)
    points = vertices.astype("<f8").view(np.uint8).reshape(-1, _POINT)
    data = np.empty(ends[-1], np.uint8)
    _put_polygons(data, ends, points, offsets)
    buffers = [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.binary(), len(offsets) - 1, buffers)


@njit
def _put_polygons(data, ends, points, offsets):
    for row in range(len(offsets) - 1):
        at = ends[row]
        start, stop = offsets[row], offsets[row + 1]
        count = stop - start + 1
        # Byte order, geometry type 3 (polygon), one ring, number of points.
        data[at : at + _HEADER] = 0
        data[at] = 1
        data[at + 1] = 3
        data[at + 5] = 1
        for byte in range(4):
            data[at + 9 + byte] = (count >> (8 * byte)) & 255
        at += _HEADER
        for i in range(count):
            source = points[start + i % (count - 1)]
            for byte in range(_POINT):
                data[at + byte] = source[byte]
            at += _POINT


def from_wkb(outlines: pa.BinaryArray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and offsets of polygons that :func:`to_wkb` wrote."""
    if len(outlines) == 0:
        return np.zeros((0, 2), np.float32), np.zeros(1, np.int64)
    _, ends_buffer, data_buffer = outlines.buffers()
    ends = np.frombuffer(ends_buffer, np.int32)[outlines.offset :][: len(outlines) + 1]
    ends = ends.astype(np.int64)
    data = np.frombuffer(data_buffer, np.uint8)
    points = (np.diff(ends) - _HEADER) // _POINT
    heads = data[ends[:-1, None] + np.arange(_HEADER)]
    counts = np.ascontiguousarray(heads[:, 9:]).view("<u4").ravel()
    if (heads[:, :9] != [1, 3, 0, 0, 0, 1, 0, 0, 0]).any() or (counts != points).any():
        raise ValueError("its outlines are not polygons of one ring")
    offsets = np.concatenate([[0], np.cumsum(points - 1)])
    starts = np.repeat(ends[:-1] + _HEADER - offsets[:-1] * _POINT, points - 1)
    where = starts + np.arange(offsets[-1]) * _POINT
    coordinates = data[where[:, None] + np.arange(_POINT)].view("<f8")
    return coordinates.astype(np.float32), offsets
