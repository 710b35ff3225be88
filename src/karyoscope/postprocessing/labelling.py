"""From masks to label maps, and label maps put in order.

Label maps are int32 of shape (h, w), 0 background. Regions are 4-connected, so holes are
8-connected. Every function takes time linear in the area. Those that label make a new map; those
that put a map in order change it in place, since fresh memory costs more than the work.
"""

from __future__ import annotations

import numpy as np

from karyoscope.core.kernels import njit, part
from karyoscope.postprocessing.runs import Runs, connect, find_runs, paint, repaint
from karyoscope.postprocessing.shape import measure


def label(image: np.ndarray) -> np.ndarray:
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
    return paint(runs, region, *image.shape)


def label_larger(image: np.ndarray, area: int) -> np.ndarray:
    """Label regions as :func:`label` does, leaving out those of fewer than ``area`` pixels."""
    runs = find_runs(image)
    region, size = _sizes(runs)
    return paint(runs, _renumbered(region, size >= area), *image.shape)


def drop_smaller(mask: np.ndarray, area: int) -> None:
    """Empty the 4-connected regions of a mask that have fewer than ``area`` pixels, in place."""
    runs = find_runs(mask)
    region, size = _sizes(runs)
    repaint(mask, runs, np.where(size[region] < area, 0, runs.value).astype(np.int32))


def largest_parts(labels: np.ndarray) -> None:
    """Keep, of each label, the largest 4-connected part, the first of equals; in place.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
        Any label map; the smaller parts become background.
    """
    runs = find_runs(labels)
    region, size = _sizes(runs)
    if len(size) == np.count_nonzero(np.bincount(runs.value)) + 1:
        return  # every label has one part
    best = np.zeros(runs.value.max(initial=0) + 1, np.int32)
    order = np.argsort(-size[region], kind="stable")[::-1]
    best[runs.value[order]] = region[order]
    repaint(labels, runs, np.where(best[runs.value] == region, runs.value, 0).astype(np.int32))


def select(labels: np.ndarray, keep: np.ndarray, runs: Runs | None = None) -> None:
    """Keep some labels and number them 1, 2, ... in raster order of first pixels; in place.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
        Any label map.
    keep : ndarray of bool, shape (largest label + 1,)
        Whether each label stays.
    runs : Runs, optional
        The runs of the map, where they are known.
    """
    runs = find_runs(labels) if runs is None else runs
    repaint(labels, runs, _renumbered(runs.value, keep))


def fill_holes(labels: np.ndarray) -> None:
    """Fill the holes of every label, in place; a label inside a hole is taken over as well.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
        Any label map.
    """
    runs = find_runs(labels)
    region, count = connect(runs)
    places = np.unique(runs.value[_holes(runs, region, count)[region] > 0])
    if len(places):
        box = measure(runs, int(runs.value.max(initial=0)))
        edges = np.stack([box.top, box.bottom, box.left, box.right], 1)
        _fill_boxes(labels, places, edges[places])


def fill_mask(mask: np.ndarray) -> None:
    """Fill the holes of a mask, in place.

    Here, as in :func:`scipy.ndimage.binary_fill_holes`, the mask is 8-connected and a hole is a
    4-connected region around it that does not reach the border.

    Parameters
    ----------
    mask : ndarray of uint8, shape (h, w)
        Zero or one.
    """
    height, width = mask.shape
    runs = find_runs((mask == 0).view(np.uint8))
    region, count = connect(runs)
    at_border = (runs.row == 0) | (runs.row == height - 1)
    at_border |= (runs.start == 0) | (runs.stop == width)
    hole = np.ones(count + 1, bool)
    hole[region[at_border]] = False
    background = runs._replace(value=np.zeros_like(runs.value))
    repaint(mask, background, hole[region].astype(np.int32))


def _sizes(runs: Runs) -> tuple[np.ndarray, np.ndarray]:
    """Region of each run, and pixels of each region."""
    region, count = connect(runs)
    size = np.bincount(region, runs.stop - runs.start, minlength=count + 1)
    return region, size.astype(np.int64)


def _renumbered(values: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """New labels 1, 2, ... by first appearance; 0 where not kept."""
    table = np.zeros(len(keep), np.int32)
    _number(values, keep, table)
    return table[values]


@njit
def _number(values, keep, table):
    """Give each kept value a number in the table, in the order in which they appear."""
    count = 0
    for i in range(len(values)):
        value = values[i]
        if keep[value] and table[value] == 0:
            count += 1
            table[value] = count


@njit
def _fill_boxes(labels, values, edges):
    """Fill each of some labels, given with its box: top, bottom, left and right."""
    for i in range(len(values)):
        _fill_box(labels, values[i], edges[i, 0], edges[i, 1], edges[i, 2], edges[i, 3])


@njit
def _holes(runs, region, count):
    """Number of holes of each region; int64, shape (count + 1,), without meaning at 0.

    Runs that touch runs of their region in the row above make a graph of the region, connected
    and in the plane. Each loop of it goes around a hole, and by Euler's formula there are
    links - runs + 1 of them.
    """
    holes = np.ones(count + 1, np.int64)
    above = 0
    for i in range(len(runs.row)):
        previous = runs.row[i] - 1
        while runs.row[above] < previous or (
            runs.row[above] == previous and runs.stop[above] <= runs.start[i]
        ):
            above += 1
        holes[region[i]] -= 1
        j = above
        while runs.row[j] == previous and runs.start[j] < runs.stop[i]:
            if region[j] == region[i]:
                holes[region[i]] += 1
            j += 1
    return holes


@part
def _fill_box(labels, value, top, bottom, left, right):
    """Give ``value`` to what it encloses: what cannot be reached from outside its box."""
    height, width = bottom - top + 2, right - left + 2
    outside = np.empty((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            outside[y, x] = 0
    stack = np.empty(height * width, np.int64)
    outside[0, 0] = 1
    stack[0], size = 0, 1
    while size > 0:
        size -= 1
        y, x = stack[size] // width, stack[size] % width
        for ny in range(max(y - 1, 0), min(y + 2, height)):
            for nx in range(max(x - 1, 0), min(x + 2, width)):
                if outside[ny, nx] != 0:
                    continue
                on_rim = ny == 0 or nx == 0 or ny == height - 1 or nx == width - 1
                if on_rim or labels[top + ny - 1, left + nx - 1] != value:
                    outside[ny, nx] = 1
                    stack[size] = ny * width + nx
                    size += 1
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            if outside[y, x] == 0:
                labels[top + y - 1, left + x - 1] = value
