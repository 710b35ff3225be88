"""Marker-controlled watershed (Meyer's flooding by priority), 4-connected, without lines."""

from __future__ import annotations

import numba
import numpy as np

from karyoscope.postprocessing.runs import connect, find_runs


def watershed(energy: np.ndarray, markers: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Grow markers over a mask in the order of the energy, lowest first, then oldest first.

    Regions of the mask with one marker are that nucleus and need no flooding; regions without a
    marker are dropped. The rest is flooded region by region, so that nothing that happens in
    one of them can matter in another, and the pixels in work stay close together in memory.

    Parameters
    ----------
    energy : ndarray of float32, shape (h, w)
        Low where a nucleus is sure, high where nuclei part; any finite numbers.
    markers : ndarray of int32, shape (h, w)
        Labels of the markers; those outside the mask are ignored.
    mask : ndarray of uint8, shape (h, w)
        Non-zero where nuclei are.

    Returns
    -------
    ndarray of int32, shape (h, w)
        Labels of the markers, grown. Each is connected if its marker is.
    """
    bits = np.ascontiguousarray(energy, np.float32).view(np.uint32)
    return _watershed(bits, markers, mask)


@numba.njit(cache=True)
def _watershed(bits, markers, mask):
    labels = np.zeros(mask.shape, np.int32)
    runs = find_runs(mask)
    region, count = connect(runs)
    # Of each region: 0 no marker, positive the one marker, -1 several.
    sole = np.zeros(count + 1, np.int32)
    area = np.zeros(count + 1, np.int64)
    for i in range(len(region)):
        area[region[i]] += runs.stop[i] - runs.start[i]
        found = sole[region[i]]
        line = markers[runs.row[i]]
        for x in range(runs.start[i], runs.stop[i]):
            if line[x] != 0 and line[x] != found:
                found = line[x] if found == 0 else -1
                if found == -1:
                    break
        sole[region[i]] = found

    first = np.full(count + 1, -1, np.int32)
    last = np.full(count + 1, -1, np.int32)
    following = np.full(len(region), -1, np.int32)
    largest = 0
    for i in range(len(region)):
        r = region[i]
        y = runs.row[i]
        for x in range(runs.start[i], runs.stop[i]):
            # -1 stands for "to be flooded".
            labels[y, x] = sole[r] if sole[r] >= 0 or markers[y, x] == 0 else markers[y, x]
        if sole[r] == -1:
            largest = max(largest, area[r])
            if first[r] == -1:
                first[r] = i
            else:
                following[last[r]] = i
            last[r] = i

    heap = np.empty(largest, np.uint64)
    place = np.empty((largest, 2), np.int32)
    for r in range(1, count + 1):
        if sole[r] == -1:
            _flood(labels, bits, runs, first[r], following, heap, place)
    return labels


@numba.njit(cache=True)
def _flood(labels, bits, runs, first, following, heap, place):
    """Flood one region, given as a chain of runs; ``heap`` and ``place`` are working space."""
    size = 0
    age = 0
    i = first
    while i != -1:
        y = runs.row[i]
        for x in range(runs.start[i], runs.stop[i]):
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
            if 0 <= ny < height and 0 <= nx < width and labels[ny, nx] == -1:
                labels[ny, nx] = labels[y, x]
                if _has_room(labels, ny, nx):
                    place[age, 0], place[age, 1] = ny, nx
                    _push(heap, size, _key(bits[ny, nx], age))
                    size += 1
                    age += 1


@numba.njit(cache=True)
def _has_room(labels, y, x):
    """Whether a neighbour is still to be flooded; if not, the pixel need not wait its turn."""
    height, width = labels.shape
    return (
        (y > 0 and labels[y - 1, x] == -1)
        or (x > 0 and labels[y, x - 1] == -1)
        or (x + 1 < width and labels[y, x + 1] == -1)
        or (y + 1 < height and labels[y + 1, x] == -1)
    )


@numba.njit(cache=True)
def _key(bits, age):
    """Energy and age in one integer that sorts by energy, then by age.

    The bits of an IEEE number sort as an integer once the sign bit is flipped (positive) or all
    bits are (negative).
    """
    wide = np.uint64(bits)
    if wide & np.uint64(0x80000000):
        wide = ~wide & np.uint64(0xFFFFFFFF)
    else:
        wide |= np.uint64(0x80000000)
    return (wide << np.uint64(32)) | np.uint64(age)


@numba.njit(cache=True)
def _push(heap, size, key):
    i = size
    while i > 0:
        parent = (i - 1) >> 1
        if heap[parent] <= key:
            break
        heap[i] = heap[parent]
        i = parent
    heap[i] = key


@numba.njit(cache=True)
def _pop(heap, size):
    """Take the least key off; ``size`` is the number of keys that remain."""
    key = heap[size]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= key:
            break
        heap[i] = heap[child]
        i = child
    heap[i] = key
