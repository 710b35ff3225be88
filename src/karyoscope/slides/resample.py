"""Reduction and interpolation with a phase that is fixed to the slide, not to the window read.

A grid pixel is computed in two steps: the pyramid level is averaged over integer boxes that start
at absolute multiples of the box, and the boxes are interpolated linearly at positions that depend
on the index of the grid pixel alone. Both steps are in integers, so that a pixel has the same
value through whatever window it is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
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


def box_average(pixels: np.ndarray, kx: int, ky: int) -> np.ndarray:
    """Mean over boxes of ``kx`` by ``ky`` pixels, rounded half up.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (h, w, 3)
        Starts at the corner of a box; boxes at the far edges may be partial.
    kx, ky : int
        Size of a box, at least 1.

    Returns
    -------
    ndarray of uint8, shape (ceil(h / ky), ceil(w / kx), 3)
    """
    height, width = pixels.shape[:2]
    if not (kx == ky == 2 and height >= 2 and width >= 2):
        return _box_average(pixels, kx, ky)
    # OpenCV rounds boxes of 2 x 2 half up, as the loop does, and larger even ones half to even.
    whole_height, whole_width = height // 2 * 2, width // 2 * 2
    out = np.empty(((height + 1) // 2, (width + 1) // 2, 3), np.uint8)
    size = (whole_width // 2, whole_height // 2)
    out[: size[1], : size[0]] = cv2.resize(
        pixels[:whole_height, :whole_width], size, interpolation=cv2.INTER_AREA
    )
    if whole_width < width:
        out[: whole_height // 2, -1] = _half_up(pixels[:whole_height, -1], 2)
    if whole_height < height:
        out[-1, : size[0]] = _half_up(pixels[-1, :whole_width], 2)
    if whole_width < width and whole_height < height:
        out[-1, -1] = pixels[-1, -1]
    return out


def _half_up(line: np.ndarray, k: int) -> np.ndarray:
    """Mean of every k pixels of a line, rounded half up: uint8, shape (n / k, 3)."""
    sums = line.reshape(-1, k, 3).sum(1, dtype=np.uint32)
    mean: np.ndarray = (sums + k // 2) // k
    return mean


@njit
def _box_average(pixels, kx, ky):
    height, width = pixels.shape[:2]
    rows, columns = (height + ky - 1) // ky, (width + kx - 1) // kx
    out = np.empty((rows, columns, 3), np.uint8)
    sums = np.empty(3 * width, np.uint32)  # flat, so that the additions are vectorised
    for row in range(rows):
        top, bottom = row * ky, min(height, (row + 1) * ky)
        sums[:] = 0
        for y in range(top, bottom):
            line = np.ascontiguousarray(pixels[y]).reshape(-1)
            for i in range(3 * width):
                sums[i] += line[i]
        for column in range(columns):
            left, right = column * kx, min(width, (column + 1) * kx)
            count = np.uint32((right - left) * (bottom - top))
            red = green = blue = count // np.uint32(2)
            for x in range(left, right):
                red += sums[3 * x]
                green += sums[3 * x + 1]
                blue += sums[3 * x + 2]
            out[row, column, 0] = red // count
            out[row, column, 1] = green // count
            out[row, column, 2] = blue // count
    return out


@njit
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
    line = np.empty(3 * width, np.int32)
    one = np.int32(1 << WEIGHT_BITS)
    half = np.int32(1 << (2 * WEIGHT_BITS - 1))
    for row in range(len(low_y)):
        upper = np.ascontiguousarray(boxes[low_y[row]]).reshape(-1)
        lower = np.ascontiguousarray(boxes[high_y[row]]).reshape(-1)
        down = np.int32(weight_y[row])
        up = one - down
        for i in range(3 * width):
            line[i] = np.int32(upper[i]) * up + np.int32(lower[i]) * down
        for column in range(len(low_x)):
            a, b = 3 * low_x[column], 3 * high_x[column]
            right = np.int32(weight_x[column])
            left = one - right
            for c in range(3):
                mixed = line[a + c] * left + line[b + c] * right
                out[row, column, c] = (mixed + half) >> (2 * WEIGHT_BITS)
    return out
