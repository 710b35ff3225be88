"""From masks to label maps, and label maps put in order.

Label maps are int32 of shape (h, w), 0 background. Regions are 4-connected, so holes are
8-connected. Every function takes time linear in the area. Those that label make a new map; those
that put a label map in order change it in place, since fresh memory costs more than the work.
"""

from __future__ import annotations

import numba
import numpy as np

from karyoscope.postprocessing.runs import connect, find_runs, paint, repaint
from karyoscope.postprocessing.shape import measure


@numba.njit(cache=True)
def label(image):
    """Give each 4-connected region of equal non-zero value a label of its own.

    On a mask this is connected-component labelling; on a label map it splits the parts of a
    nucleus that do not touch.

    Parameters
    ----------
    image : ndarray of integers, shape (h, w)
        A mask or a label map.

    Returns
    -------
    ndarray of int32, shape (h, w)
        1, 2, ... in raster order of the first pixels.
    """
    runs = find_runs(image)
    region, _ = connect(runs)
    return paint(runs, region, image.shape[0], image.shape[1])


@numba.njit(cache=True)
def label_larger(image, area):
    """Label regions as :func:`label` does, leaving out those of fewer than ``area`` pixels."""
    runs = find_runs(image)
    region, count = connect(runs)
    size = np.zeros(count + 1, np.int64)
    for i in range(len(region)):
        size[region[i]] += runs.stop[i] - runs.start[i]
    return paint(runs, _renumbered(region, size >= area), image.shape[0], image.shape[1])


@numba.njit(cache=True)
def drop_smaller(mask, area):
    """Empty the 4-connected regions of a mask that have fewer than ``area`` pixels, in place."""
    runs = find_runs(mask)
    region, count = connect(runs)
    size = np.zeros(count + 1, np.int64)
    for i in range(len(region)):
        size[region[i]] += runs.stop[i] - runs.start[i]
    values = runs.value.copy()
    for i in range(len(region)):
        if size[region[i]] < area:
            values[i] = 0
    repaint(mask, runs, values)


@numba.njit(cache=True)
def fill_mask(mask):
    """Fill the holes of a mask, in place.

    Here, as in :func:`scipy.ndimage.binary_fill_holes`, the mask is 8-connected and a hole is a
    4-connected region around it that does not reach the border.

    Parameters
    ----------
    mask : ndarray of uint8, shape (h, w)
        Zero or one.
    """
    height, width = mask.shape
    runs = find_runs((mask == 0).astype(np.uint8))
    region, count = connect(runs)
    hole = np.ones(count + 1, np.bool_)
    for i in range(len(region)):
        y = runs.row[i]
        if y == 0 or y == height - 1 or runs.start[i] == 0 or runs.stop[i] == width:
            hole[region[i]] = False
    for i in range(len(region)):
        if hole[region[i]]:
            mask[runs.row[i], runs.start[i] : runs.stop[i]] = 1


@numba.njit(cache=True)
def largest_parts(labels):
    """Keep, of each label, the largest 4-connected part, the first of equals; in place.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
        Any label map; the smaller parts become background.
    """
    runs = find_runs(labels)
    region, count = connect(runs)
    size = np.zeros(count + 1, np.int64)
    largest_label = 0
    for i in range(len(region)):
        size[region[i]] += runs.stop[i] - runs.start[i]
        largest_label = max(largest_label, runs.value[i])
    best = np.zeros(largest_label + 1, np.int64)
    for i in range(len(region)):
        if best[runs.value[i]] == 0 or size[region[i]] > size[best[runs.value[i]]]:
            best[runs.value[i]] = region[i]
    values = runs.value.copy()
    for i in range(len(region)):
        if best[values[i]] != region[i]:
            values[i] = 0
    repaint(labels, runs, values)


@numba.njit(cache=True)
def _renumbered(values, keep):
    """New labels 1, 2, ... by first appearance; 0 where not kept."""
    table = np.zeros(len(keep), np.int32)
    result = np.zeros(len(values), np.int32)
    count = 0
    for i in range(len(values)):
        v = values[i]
        if keep[v]:
            if table[v] == 0:
                count += 1
                table[v] = count
            result[i] = table[v]
    return result


@numba.njit(cache=True)
def select(labels, keep):
    """Keep some labels and number them 1, 2, ... in raster order of first pixels; in place.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
        Any label map.
    keep : ndarray of bool, shape (largest label + 1,)
        Whether each label stays.
    """
    runs = find_runs(labels)
    repaint(labels, runs, _renumbered(runs.value, keep))


@numba.njit(cache=True)
def _fill_box(labels, value, top, bottom, left, right):
    """Give ``value`` to what it encloses: what cannot be reached from outside its box."""
    height, width = bottom - top + 2, right - left + 2
    outside = np.zeros((height, width), np.bool_)
    stack = np.empty(height * width, np.int64)
    outside[0, 0] = True
    stack[0], size = 0, 1
    while size > 0:
        size -= 1
        y, x = stack[size] // width, stack[size] % width
        for ny in range(max(y - 1, 0), min(y + 2, height)):
            for nx in range(max(x - 1, 0), min(x + 2, width)):
                if outside[ny, nx]:
                    continue
                on_rim = ny == 0 or nx == 0 or ny == height - 1 or nx == width - 1
                if on_rim or labels[top + ny - 1, left + nx - 1] != value:
                    outside[ny, nx] = True
                    stack[size] = ny * width + nx
                    size += 1
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            if not outside[y, x]:
                labels[top + y - 1, left + x - 1] = value


@numba.njit(cache=True)
def fill_holes(labels):
    """Fill the holes of every label, in place; a label inside a hole is taken over as well.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
        Any label map.
    """
    runs = find_runs(labels)
    count = 0
    for i in range(len(runs.value)):
        count = max(count, runs.value[i])
    box = measure(runs, count)
    for v in range(1, count + 1):
        # One run in each row leaves no room for a hole; few nuclei have more.
        if box.runs[v] > box.bottom[v] - box.top[v]:
            _fill_box(labels, v, box.top[v], box.bottom[v], box.left[v], box.right[v])
