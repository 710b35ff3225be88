"""Outlines as well-known binary: little-endian polygons of one closed ring (OGC 06-103r4)."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from karyoscope.core.arrow import bytes_array

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
    import shapely  # Late: it takes a tenth of a second, and most formats need none of it.

    return bytes_array(shapely.to_wkb(polygons(vertices, offsets), byte_order=1))


def polygons(vertices: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Outlines, as of :func:`to_wkb`, as shapely polygons: object array of length n."""
    import shapely

    rows = np.arange(len(offsets))
    closed = np.insert(vertices.astype(np.float64), offsets[1:], vertices[offsets[:-1]], axis=0)
    kind = shapely.GeometryType.POLYGON
    return np.asarray(shapely.from_ragged_array(kind, closed, (offsets + rows, rows)), object)


def from_wkb(outlines: pa.BinaryArray) -> tuple[np.ndarray, np.ndarray]:
    """Decode outlines that :func:`to_wkb` encoded.

    NumPy takes the bytes apart, since a viewer waits for them: with shapely it takes several times
    longer.

    Parameters
    ----------
    outlines : pyarrow.BinaryArray of length n

    Returns
    -------
    vertices : ndarray of float32, shape (v, 2)
    offsets : ndarray of int64, shape (n + 1,)

    Raises
    ------
    ValueError
        If anything but polygons of one ring is among them.
    """
    if len(outlines) == 0:
        return np.zeros((0, 2), np.float32), np.zeros(1, np.int64)
    _, ends_buffer, data_buffer = outlines.buffers()
    ends = np.frombuffer(ends_buffer, np.int32)[outlines.offset :][: len(outlines) + 1]
    ends = ends.astype(np.int64)
    data = np.frombuffer(data_buffer, np.uint8)
    if (np.diff(ends) < _HEADER).any():
        raise ValueError("its outlines are not polygons of one ring")
    points = (np.diff(ends) - _HEADER) // _POINT
    heads = data[ends[:-1, None] + np.arange(_HEADER)]
    counts = np.ascontiguousarray(heads[:, 9:]).view("<u4").ravel()
    if (heads[:, :9] != [1, 3, 0, 0, 0, 1, 0, 0, 0]).any() or (counts != points).any():
        raise ValueError("its outlines are not polygons of one ring")
    offsets = np.concatenate([[0], np.cumsum(points - 1)])
    # What is left of the bytes without headers and the points that close the rings.
    keep = np.ones(ends[-1] - ends[0], bool)
    begins, stops = ends[:-1] - ends[0], ends[1:] - ends[0]
    keep[(begins[:, None] + np.arange(_HEADER)).ravel()] = False
    keep[(stops[:, None] - np.arange(1, _POINT + 1)).ravel()] = False
    coordinates = data[ends[0] : ends[-1]][keep].view("<f8").reshape(-1, 2)
    return coordinates.astype(np.float32), offsets
