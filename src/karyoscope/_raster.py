"""Scan conversion of outlines: from rings of vertices to label images."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True)
def fill_outlines(vertices, offsets, ids, left, top, width, height):
    """Fill closed rings by the even-odd rule at pixel centres.

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
    """
    labels = np.zeros((height, width), np.uint32)
    for ring in range(len(ids)):
        start, stop = offsets[ring], offsets[ring + 1]
        if stop - start < 3:
            continue
        low, high = vertices[start, 1], vertices[start, 1]
        for i in range(start, stop):
            low = min(low, vertices[i, 1])
            high = max(high, vertices[i, 1])
        first = max(0, int(np.ceil(low - 0.5)) - top)
        last = min(height - 1, int(np.floor(high - 0.5)) - top)
        crossings = np.empty(stop - start, np.float64)
        for row in range(first, last + 1):
            centre = row + top + 0.5
            count = 0
            previous = stop - 1
            for i in range(start, stop):
                y0, y1 = float(vertices[previous, 1]), float(vertices[i, 1])
                if (y0 <= centre) != (y1 <= centre):
                    x0, x1 = float(vertices[previous, 0]), float(vertices[i, 0])
                    crossings[count] = x0 + (centre - y0) / (y1 - y0) * (x1 - x0)
                    count += 1
                previous = i
            for i in range(1, count):  # almost always two: an insertion sort costs nothing
                value = crossings[i]
                place = i - 1
                while place >= 0 and crossings[place] > value:
                    crossings[place + 1] = crossings[place]
                    place -= 1
                crossings[place + 1] = value
            for pair in range(0, count - 1, 2):
                a = max(0, int(np.ceil(crossings[pair] - 0.5)) - left)
                b = min(width - 1, int(np.floor(crossings[pair + 1] - 0.5)) - left)
                for column in range(a, b + 1):
                    labels[row, column] = ids[ring]
    return labels
