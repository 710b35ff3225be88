"""Area, place and solidity of every nucleus of a label map, from its runs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from karyoscope.core.kernels import njit, part
from karyoscope.postprocessing.runs import Runs


class Geometry(NamedTuple):
    """One entry per label, with an unused entry for label 0; int64, shape (n + 1,).

    Attributes
    ----------
    area : ndarray
        Pixels.
    sum_x, sum_y : ndarray
        Sums of the column and row numbers.
    top, bottom, left, right : ndarray
        Bounding box, half-open: rows ``top`` to ``bottom - 1``.
    first_x : ndarray
        Column of the first pixel in raster order; its row is ``top``.
    runs : ndarray
        Number of runs; equal to ``bottom - top`` where every row has one.
    """

    area: np.ndarray
    sum_x: np.ndarray
    sum_y: np.ndarray
    top: np.ndarray
    bottom: np.ndarray
    left: np.ndarray
    right: np.ndarray
    first_x: np.ndarray
    runs: np.ndarray


def measure(runs: Runs, count: int) -> Geometry:
    """Measure the labels 1 to ``count``.

    Parameters
    ----------
    runs : Runs
        Runs of a label map.
    count : int
        Largest label.

    Returns
    -------
    Geometry
        Labels that do not occur have area 0.
    """
    table = np.zeros((len(Geometry._fields), count + 1), np.int64)
    _measure(runs, table)
    return Geometry(*table)


@njit
def _measure(runs, table):
    """Fill a row of the table for each field of the geometry."""
    area, sum_x, sum_y, top, bottom = table[0], table[1], table[2], table[3], table[4]
    left, right, first_x, number = table[5], table[6], table[7], table[8]
    for i in range(len(runs.row)):
        y, a, b, v = (
            np.int64(runs.row[i]),
            np.int64(runs.start[i]),
            np.int64(runs.stop[i]),
            runs.value[i],
        )
        if number[v] == 0:
            top[v], first_x[v], left[v], right[v] = y, a, a, b
        number[v] += 1
        area[v] += b - a
        sum_x[v] += (a + b - 1) * (b - a) // 2
        sum_y[v] += y * (b - a)
        bottom[v] = y + 1
        left[v] = min(left[v], a)
        right[v] = max(right[v], b)


@part
def _envelope_area(edge, sign, chain):
    """Integral of the least concave curve over the points (k, sign * edge[k])."""
    size = 0
    for k in range(len(edge)):
        while size >= 2:
            p, q = chain[size - 2], chain[size - 1]
            rise = sign * (edge[q] - edge[p]) * (k - q)
            if rise > sign * (edge[k] - edge[q]) * (q - p):
                break
            size -= 1
        chain[size] = k
        size += 1
    twice = 0
    for i in range(size - 1):
        p, q = chain[i], chain[i + 1]
        twice += (edge[p] + edge[q]) * (q - p)
    return sign * twice


@part
def _hull_area(left, right):
    """Area of the convex hull of an outline, given the first and last pixel of its rows.

    An outline runs through the midpoints of pixel edges. In half pixels, the pixel at column x
    of row k has them at 2x and 2x + 2 in line 2k + 1, and at 2x + 1 in the lines 2k and 2k + 2.
    """
    rows = len(left)
    low = np.empty(2 * rows + 1, np.int64)
    high = np.empty(2 * rows + 1, np.int64)
    for k in range(rows):
        low[2 * k + 1], high[2 * k + 1] = 2 * left[k], 2 * right[k] + 2
        above = max(k - 1, 0)
        low[2 * k] = 2 * min(left[k], left[above]) + 1
        high[2 * k] = 2 * max(right[k], right[above]) + 1
    low[2 * rows], high[2 * rows] = 2 * left[rows - 1] + 1, 2 * right[rows - 1] + 1
    chain = np.empty(2 * rows + 1, np.int64)
    return (
        _envelope_area(high, np.int64(1), chain) + _envelope_area(low, np.int64(-1), chain)
    ) / 8.0


@njit
def solidity(runs, geometry):
    """Area of each outline by the area of its convex hull.

    Both are areas of polygons, so that a convex nucleus has 1 whatever its size.

    Parameters
    ----------
    runs : Runs
        Runs of a label map whose labels are connected.
    geometry : Geometry
        Measures of the same map.

    Returns
    -------
    ndarray of float64, shape (n + 1,)
        1 for labels that do not occur.
    """
    count = len(geometry.area)
    offset = np.zeros(count + 1, np.int64)
    for v in range(count):
        offset[v + 1] = offset[v] + geometry.bottom[v] - geometry.top[v]
    left = np.full(offset[count], 2**30, np.int64)
    right = np.full(offset[count], -1, np.int64)
    for i in range(len(runs.row)):
        v = runs.value[i]
        k = offset[v] + runs.row[i] - geometry.top[v]
        left[k] = min(left[k], np.int64(runs.start[i]))
        right[k] = max(right[k], np.int64(runs.stop[i] - 1))
    result = np.ones(count)
    for v in range(count):
        if geometry.area[v] > 0:
            a, b = offset[v], offset[v + 1]
            result[v] = (geometry.area[v] - 0.5) / _hull_area(left[a:b], right[a:b])
    return result
