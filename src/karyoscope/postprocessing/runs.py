"""Label maps as runs: the horizontal stretches of one value that they are made of.

A map of a million pixels has some ten thousand runs, so whatever can be said of runs (regions,
areas, boxes, hulls) costs next to nothing once they are found in one pass over the pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from karyoscope.core.kernels import find_root, njit, part


class Runs(NamedTuple):
    """Runs in raster order.

    Attributes
    ----------
    row, start, stop : ndarray of int32, shape (r,)
        A run covers the columns ``start`` to ``stop - 1`` of ``row``.
    value : ndarray of int32, shape (r,)
        The non-zero value of its pixels.
    """

    row: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    value: np.ndarray


@part
def _grown(array, capacity):
    larger = np.empty(capacity, np.int32)
    for i in range(len(array)):
        larger[i] = array[i]
    return larger


@njit
def find_runs(image):
    """Find the longest runs of equal non-zero value.

    Parameters
    ----------
    image : ndarray of integers, shape (h, w)
        A mask or a label map.

    Returns
    -------
    Runs
    """
    height, width = image.shape
    capacity = 1024 + width
    row = np.empty(capacity, np.int32)
    start = np.empty(capacity, np.int32)
    stop = np.empty(capacity, np.int32)
    value = np.empty(capacity, np.int32)
    # Where a value begins in a row is marked in bytes, of which eight at once are often 0. Places
    # and runs are always written, and then counted or not: a branch that the processor guesses
    # wrongly costs more than the writing.
    words = np.empty(width // 8 + 1, np.uint64)
    begins = words.view(np.uint8)
    for x in range(len(begins)):
        begins[x] = 0
    edge = np.empty(width + 1, np.int32)
    count = 0
    for y in range(height):
        if count + width > capacity:
            capacity = 2 * capacity + width
            row, start, stop = (
                _grown(row, capacity),
                _grown(start, capacity),
                _grown(stop, capacity),
            )
            value = _grown(value, capacity)
        line = image[y]
        for x in range(1, width):
            begins[x] = line[x] != line[x - 1]
        edge[0] = 0
        edges = min(width, 1)
        for w in range(len(words)):
            if words[w] == 0:
                continue
            for x in range(8 * w, 8 * w + 8):
                edge[edges] = x
                edges += begins[x]
        edge[edges] = width
        for i in range(edges):
            v = line[edge[i]]
            row[count], start[count], stop[count], value[count] = y, edge[i], edge[i + 1], v
            count += v != 0
    return Runs(row[:count], start[:count], stop[:count], value[:count])


@njit
def connect(runs):
    """Number the 4-connected regions of equal value.

    Parameters
    ----------
    runs : Runs
        All runs of an image, in raster order.

    Returns
    -------
    region : ndarray of int32, shape (r,)
        Region of each run, 1 to ``count`` in raster order of the first pixels.
    count : int
    """
    n = len(runs.row)
    parent = np.empty(n, np.int32)
    for i in range(n):
        parent[i] = i
    above = 0
    for i in range(n):
        previous = runs.row[i] - 1
        while runs.row[above] < previous or (
            runs.row[above] == previous and runs.stop[above] <= runs.start[i]
        ):
            above += 1
        j = above
        while runs.row[j] == previous and runs.start[j] < runs.stop[i]:
            if runs.value[j] == runs.value[i]:
                a, b = find_root(parent, i), find_root(parent, j)
                if a < b:
                    parent[b] = a
                else:
                    parent[a] = b
            j += 1
    region = np.empty(n, np.int32)
    count = 0
    for i in range(n):
        root = find_root(parent, i)
        if root == i:
            count += 1
            region[i] = count
        else:
            region[i] = region[root]
    return region, count


@njit
def repaint(image, runs, values):
    """Change the value of runs of a map, in place.

    Parameters
    ----------
    image : ndarray of int32, shape (h, w)
        The map that the runs were found in.
    runs : Runs
        Its runs, or some of them.
    values : ndarray of int32, shape (r,)
        The new value of each run.
    """
    for i in range(len(runs.row)):
        if values[i] != runs.value[i]:
            line = image[runs.row[i]]
            for x in range(runs.start[i], runs.stop[i]):
                line[x] = values[i]


def paint(runs: Runs, values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Write runs into an empty map.

    Parameters
    ----------
    runs : Runs
        Where to write.
    values : ndarray of int32, shape (r,)
        Value to write for each run, in place of its own.
    height, width : int
        Size of the map.

    Returns
    -------
    ndarray of int32, shape (height, width)
    """
    image = np.zeros((height, width), np.int32)
    repaint(image, runs._replace(value=np.zeros_like(runs.value)), values)
    return image
