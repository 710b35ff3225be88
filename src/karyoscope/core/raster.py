"""Scan conversion: from rings of vertices to pixels, by one rule for outlines and polygons.

A pixel belongs to a shape when its centre lies inside by the even-odd rule, or on an edge. The
edge counts because annotations are often drawn through the centres of the outermost pixels: only
so do they give back the pixels that they were made from. Outlines of :class:`Nuclei` that were
traced on a grid run between the centres of its pixels, and have no centre on an edge.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from karyoscope.core.kernels import njit, part


def fill_outlines(
    vertices: np.ndarray,
    offsets: np.ndarray,
    ids: np.ndarray,
    left: int,
    top: int,
    width: int,
    height: int,
) -> np.ndarray:
    """Fill closed rings independently of each other.

    Parameters
    ----------
    vertices : ndarray of float32, shape (v, 2)
        x, y; the centre of pixel (row, column) is at (column + 0.5, row + 0.5).
    offsets : ndarray of int64, shape (n + 1,)
        Where each ring starts and ends.
    ids : ndarray of uint32, shape (n,)
        Value written for each ring.
    left, top, width, height : int
        Window to render.

    Returns
    -------
    ndarray of uint32, shape (height, width)
        0 outside all rings; where rings overlap, the later one wins.
    """
    labels = np.zeros((height, width), np.uint32)
    _fill_each(labels, vertices, offsets, ids, left, top)
    return labels


def fill_polygon(
    vertices: np.ndarray, offsets: np.ndarray, left: int, top: int, width: int, height: int
) -> np.ndarray:
    """Fill the rings of one polygon together, so that holes stay empty.

    Parameters
    ----------
    vertices : ndarray of float64, shape (v, 2)
        x, y; the centre of pixel (row, column) is at (column + 0.5, row + 0.5).
    offsets : ndarray of int64, shape (rings + 1,)
        Where each ring starts and ends; outer rings and holes in any order.
    left, top, width, height : int
        Window to render.

    Returns
    -------
    ndarray of uint32, shape (height, width)
        1 in or on the polygon, else 0.
    """
    labels = np.zeros((height, width), np.uint32)
    fill_together(labels, vertices, offsets, left, top)
    return labels


@njit
def _fill_each(
    labels: np.ndarray, vertices: np.ndarray, offsets: np.ndarray, ids: Any, left: int, top: int
) -> None:
    """Fill rings one after the other, each with its own value."""
    for ring in range(len(ids)):
        _fill(labels, vertices, offsets, ring, ring + 1, ids[ring], left, top)


@njit
def fill_together(
    labels: np.ndarray, vertices: np.ndarray, offsets: np.ndarray, left: int, top: int
) -> None:
    """Fill rings by one even-odd rule, with 1."""
    first, value = np.int64(0), np.uint32(1)  # for a literal, numba would compile both once more
    _fill(labels, vertices, offsets, first, len(offsets) - 1, value, left, top)


@part
def _fill(
    labels: np.ndarray,
    vertices: np.ndarray,
    offsets: np.ndarray,
    first_ring: Any,
    last_ring: Any,
    value: Any,
    left: int,
    top: int,
) -> None:
    begin, end = offsets[first_ring], offsets[last_ring]
    if end - begin < 3:
        return
    height, width = labels.shape
    low, high = vertices[begin, 1], vertices[begin, 1]
    for i in range(begin, end):
        low = min(low, vertices[i, 1])
        high = max(high, vertices[i, 1])
    first = max(0, int(np.ceil(low - 0.5)) - top)
    last = min(height - 1, int(np.floor(high - 0.5)) - top)
    crossings = np.empty(end - begin, np.float64)
    for row in range(first, last + 1):
        centre = row + top + 0.5
        count = 0
        for ring in range(first_ring, last_ring):
            previous = offsets[ring + 1] - 1
            for i in range(offsets[ring], offsets[ring + 1]):
                y0, y1 = float(vertices[previous, 1]), float(vertices[i, 1])
                x0, x1 = float(vertices[previous, 0]), float(vertices[i, 0])
                if (y0 <= centre) != (y1 <= centre):
                    # The product first: on a lattice it is exact, and a centre on an edge is seen.
                    crossings[count] = x0 + (centre - y0) * (x1 - x0) / (y1 - y0)
                    count += 1
                if y1 == centre:  # on an edge along the row, or a corner that touches it
                    start = min(x0, x1) if y0 == centre else x1
                    stop = max(x0, x1) if y0 == centre else x1
                    _span(labels, row, np.float64(start), np.float64(stop), value, left, width)
                previous = i
        for i in range(1, count):  # almost always two: an insertion sort costs nothing
            crossing = crossings[i]
            place = i - 1
            while place >= 0 and crossings[place] > crossing:
                crossings[place + 1] = crossings[place]
                place -= 1
            crossings[place + 1] = crossing
        for pair in range(0, count - 1, 2):
            _span(labels, row, crossings[pair], crossings[pair + 1], value, left, width)


@part
def _span(
    labels: np.ndarray, row: int, start: float, stop: float, value: Any, left: int, width: int
) -> None:
    """Write a value to the pixels whose centres are from start to stop, both included."""
    first = max(0, int(np.ceil(start - 0.5)) - left)
    last = min(width - 1, int(np.floor(stop - 0.5)) - left)
    for column in range(first, last + 1):
        labels[row, column] = value
