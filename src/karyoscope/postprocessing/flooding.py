"""Marker-controlled watershed (Meyer's flooding by priority), 4-connected, without lines."""

from __future__ import annotations

import numpy as np

from karyoscope.core.kernels import njit, part
from karyoscope.postprocessing.runs import connect, find_runs

TO_FLOOD = -1
SEVERAL = -1


def watershed(labels: np.ndarray, height: np.ndarray, mask: np.ndarray) -> None:
    """Grow markers over a mask, downhill from the peaks: highest pixel first, then oldest first.

    This is the watershed of the energy ``-height``. Regions of the mask with one marker are that
    nucleus and need no flooding; regions without a marker are dropped. The rest is flooded
    region by region, so that nothing that happens in one of them can matter in another, and the
    pixels in work stay close together in memory.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
        Labels of the markers; those outside the mask are dropped. On return, the labels grown;
        each is 4-connected if its marker is.
    height : ndarray of float32, shape (h, w)
        High where a nucleus is sure, low where nuclei part; any finite numbers.
    mask : ndarray of uint8, shape (h, w)
        Non-zero where nuclei are.
    """
    runs = find_runs(mask)
    bits = np.ascontiguousarray(height, np.float32).view(np.uint32)
    _watershed(labels, bits, runs, *connect(runs))


@njit
def _watershed(labels, bits, runs, region, count):
    sole, largest = _sole_markers(labels, runs, region, count)
    first = _filled(count + 1, np.int64(-1))
    last = _filled(count + 1, np.int64(-1))
    following = _filled(len(region), np.int64(-1))
    height, width = labels.shape
    done_row, done_column = 0, np.int64(0)
    for i in range(len(region)):
        r, y = region[i], runs.row[i]
        start, stop = np.int64(runs.start[i]), np.int64(runs.stop[i])
        while done_row < y:
            _clear(labels[done_row], done_column, width)
            done_row, done_column = done_row + 1, np.int64(0)
        _clear(labels[y], done_column, start)
        done_column = stop
        for x in range(start, stop):
            if sole[r] >= 0:
                labels[y, x] = sole[r]
            elif labels[y, x] == 0:
                labels[y, x] = TO_FLOOD
        if sole[r] == SEVERAL:
            if first[r] == -1:
                first[r] = i
            else:
                following[last[r]] = i
            last[r] = i
    for y in range(done_row, height):
        _clear(labels[y], done_column if y == done_row else np.int64(0), width)

    heap = np.empty(largest, np.uint64)
    place = np.empty((largest, 2), np.int32)
    for r in range(1, count + 1):
        if sole[r] == SEVERAL:
            _flood(labels, bits, runs, first[r], following, heap, place)


@part
def _filled(size, value):
    """An array of one value: int32. In a loop, numpy.full takes longer to compile."""
    array = np.empty(size, np.int32)
    for i in range(size):
        array[i] = value
    return array


@part
def _clear(line, start, stop):
    for x in range(start, stop):
        line[x] = 0


@part
def _sole_markers(markers, runs, region, count):
    """Of each region its one marker, 0 or SEVERAL; and the largest area among the last."""
    zero = np.int64(0)
    sole, area = _filled(count + 1, zero), _filled(count + 1, zero)
    for i in range(len(region)):
        r = region[i]
        area[r] += runs.stop[i] - runs.start[i]
        line = markers[runs.row[i]]
        for x in range(runs.start[i], runs.stop[i]):
            if line[x] != 0 and line[x] != sole[r]:
                sole[r] = line[x] if sole[r] == 0 else SEVERAL
                if sole[r] == SEVERAL:
                    break
    largest = np.int64(0)
    for r in range(count + 1):
        if sole[r] == SEVERAL:
            largest = max(largest, np.int64(area[r]))
    return sole, largest


@part
def _flood(labels, bits, runs, first, following, heap, place):
    """Flood one region, given as a chain of runs; ``heap`` and ``place`` are working space."""
    size, age = np.int64(0), np.int64(0)
    i = first
    while i != -1:
        y = np.int64(runs.row[i])
        for x in range(np.int64(runs.start[i]), np.int64(runs.stop[i])):
            if labels[y, x] > 0 and _has_room(labels, y, x):
                place[age, 0], place[age, 1] = y, x
                _push(heap, size, _key(bits[y, x], age))
                size += 1
                age += 1
        i = following[i]
    height, width = labels.shape
    while size > 0:
        oldest = np.int64(heap[0] & np.uint64(0xFFFFFFFF))
        size -= 1
        _pop(heap, size)
        y, x = place[oldest, 0], place[oldest, 1]
        for dy, dx in ((-1, 0), (0, -1), (0, 1), (1, 0)):
            ny, nx = y + dy, x + dx
            if 0 <= ny < height and 0 <= nx < width and labels[ny, nx] == TO_FLOOD:
                labels[ny, nx] = labels[y, x]
                if _has_room(labels, ny, nx):
                    place[age, 0], place[age, 1] = ny, nx
                    _push(heap, size, _key(bits[ny, nx], age))
                    size += 1
                    age += 1


@part
def _has_room(labels, y, x):
    """Whether a neighbour is still to be flooded; if not, the pixel need not wait its turn."""
    height, width = labels.shape
    return (
        (y > 0 and labels[y - 1, x] == TO_FLOOD)
        or (x > 0 and labels[y, x - 1] == TO_FLOOD)
        or (x + 1 < width and labels[y, x + 1] == TO_FLOOD)
        or (y + 1 < height and labels[y + 1, x] == TO_FLOOD)
    )


@part
def _key(bits, age):
    """Height and age in one integer that sorts by falling height, then by age.

    The bits of an IEEE number sort as an integer once the sign bit is flipped (positive) or all
    bits are (negative); the reverse order flips all of them again.
    """
    wide = np.uint64(bits)
    if wide & np.uint64(0x80000000) == 0:
        wide = ~wide & np.uint64(0x7FFFFFFF)
    return (wide << np.uint64(32)) | np.uint64(age)


@part
def _push(heap, size, key):
    i = size
    while i > 0:
        parent = (i - 1) >> 1
        if heap[parent] <= key:
            break
        heap[i] = heap[parent]
        i = parent
    heap[i] = key


@part
def _pop(heap, size):
    """Take the least key off; ``size`` is the number of keys that remain.

    The gap sinks to the bottom along the smaller children, which is chosen without a branch, and
    the last key, which is seldom small, rises from there.
    """
    key = heap[size]
    i, child = 0, 1
    while child + 1 < size:
        child += int(heap[child + 1] < heap[child])
        heap[i] = heap[child]
        i, child = child, 2 * child + 1
    if child < size:
        heap[i] = heap[child]
        i = child
    while i > 0:
        parent = (i - 1) >> 1
        if heap[parent] <= key:
            break
        heap[i] = heap[parent]
        i = parent
    heap[i] = key
