"""Reduction and interpolation with a phase that is fixed to the slide, not to the window read.

A grid pixel is computed in two steps: the pyramid level is averaged over integer boxes that start
at absolute multiples of the box, and the boxes are interpolated linearly at positions that depend
on the index of the grid pixel alone. Both steps are in integers, so that a pixel has the same
value through whatever window it is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from karyoscope.core.kernels import njit

WEIGHT_BITS = 11
"""Interpolation weights are multiples of 2**-11, as in OpenCV's fixed-point resize."""


@dataclass(frozen=True)
class Taps:
    """The two boxes that each grid pixel of a range mixes, along one axis.

    Attributes
    ----------
    low, high : ndarray of int64, shape (n,)
        Indices of the boxes, counted from the edge of the level.
    weight : ndarray of int64, shape (n,)
        Share of ``high``, in units of ``2**-WEIGHT_BITS``.
    """

    low: np.ndarray
    high: np.ndarray
    weight: np.ndarray

    @property
    def start(self) -> int:
        """First box that is needed."""
        return int(self.low[0])

    @property
    def stop(self) -> int:
        """One past the last box that is needed."""
        return int(self.high[-1]) + 1

    @property
    def plain(self) -> bool:
        """True where every grid pixel is one box and boxes follow each other."""
        return not self.weight.any() and self.stop - self.start == len(self.low)


def plan_taps(first: int, last: int, step: float, boxes: int) -> Taps:
    """Taps of the grid pixels ``first`` to ``last - 1`` of an axis.

    Parameters
    ----------
    first, last : int
        Half-open range of grid pixels.
    step : float
        Boxes per grid pixel; pixel ``i`` covers the boxes from ``i * step`` to ``(i + 1) * step``.
    boxes : int
        Boxes along the axis; the last one is repeated beyond the edge.
    """
    if step == 1:
        low = np.minimum(np.arange(first, last, dtype=np.int64), boxes - 1)
        return Taps(low, low, np.zeros_like(low))
    centre = (np.arange(first, last, dtype=np.float64) + 0.5) * step - 0.5
    floor = np.floor(centre)
    weight = np.rint((centre - floor) * (1 << WEIGHT_BITS)).astype(np.int64)
    low = np.clip(floor.astype(np.int64), 0, boxes - 1)
    high = np.clip(floor.astype(np.int64) + 1, 0, boxes - 1)
    return Taps(low, high, weight)


@njit(error_model="numpy")
def box_average(pixels, kx, ky):
    """Mean over boxes of ``kx`` by ``ky`` pixels, rounded; boxes at the far edges may be partial.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (h, w, 3)
        Starts at the corner of a box.
    kx, ky : int
        Size of a box, at least 1.

    Returns
    -------
    ndarray of uint8, shape (ceil(h / ky), ceil(w / kx), 3)
    """
    height, width = pixels.shape[:2]
    rows, columns = (height + ky - 1) // ky, (width + kx - 1) // kx
    out = np.empty((rows, columns, 3), np.uint8)
    sums = np.empty((width, 3), np.uint32)
    for row in range(rows):
        top, bottom = row * ky, min(height, (row + 1) * ky)
        sums[:] = 0
        for y in range(top, bottom):
            line = pixels[y]
            for x in range(width):
                for c in range(3):
                    sums[x, c] += np.uint32(line[x, c])
        for column in range(columns):
            left, right = column * kx, min(width, (column + 1) * kx)
            count = np.uint32((right - left) * (bottom - top))
            half = count // np.uint32(2)
            for c in range(3):
                total = half
                for x in range(left, right):
                    total += sums[x, c]
                out[row, column, c] = total // count
    return out


@njit(error_model="numpy")
def interpolate(boxes, low_x, high_x, weight_x, low_y, high_y, weight_y):
    """Mix four boxes into each grid pixel, in fixed point.

    Parameters
    ----------
    boxes : ndarray of uint8, shape (h, w, 3)
        The boxes that the taps name.
    low_x, high_x, weight_x, low_y, high_y, weight_y : ndarray of int64
        Taps along both axes, indices relative to ``boxes``.

    Returns
    -------
    ndarray of uint8, shape (len(low_y), len(low_x), 3)
    """
    width = boxes.shape[1]
    out = np.empty((len(low_y), len(low_x), 3), np.uint8)
    line = np.empty((width, 3), np.int32)
    one = np.int32(1 << WEIGHT_BITS)
    half = np.int32(1 << (2 * WEIGHT_BITS - 1))
    for row in range(len(low_y)):
        upper, lower = boxes[low_y[row]], boxes[high_y[row]]
        down = np.int32(weight_y[row])
        for x in range(width):
            for c in range(3):
                line[x, c] = np.int32(upper[x, c]) * (one - down) + np.int32(lower[x, c]) * down
        for column in range(len(low_x)):
            a, b = low_x[column], high_x[column]
            right = np.int32(weight_x[column])
            for c in range(3):
                mixed = line[a, c] * (one - right) + line[b, c] * right
                out[row, column, c] = (mixed + half) >> (2 * WEIGHT_BITS)
    return out
