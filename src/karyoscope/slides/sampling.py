"""A window of a grid, computed from the best pyramid level."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np

from karyoscope.slides.grid import Grid, Level
from karyoscope.slides.resample import Taps, box_average, interpolate, plan_taps

ReadLevel = Callable[[int, int, int, int, int], np.ndarray]
"""Level, x, y, width, height of a window inside that level -> (height, width, 3) uint8."""

_CHUNK_ROWS = 1024
_CHUNK_PIXELS = 16 << 20


def sample(
    levels: Sequence[Level],
    read_level: ReadLevel,
    grid: Grid,
    box: tuple[int, int, int, int],
    left_out: Collection[int] = (),
) -> np.ndarray:
    """Pixels of a window inside a grid.

    Parameters
    ----------
    levels : sequence of Level
        Level 0 first.
    read_level : callable
        Reads a window of a level.
    grid : Grid
        Grid that the window is on.
    box : (int, int, int, int)
        Left, top, right, bottom in grid pixels, half-open, not empty.
    left_out : collection of int
        Levels that are not read.

    Returns
    -------
    ndarray of uint8, shape (bottom - top, right - left, 3)
    """
    left, top, right, bottom = box
    index = level_for(levels, grid, left_out)
    level = levels[index]
    step_x, step_y = grid.scale_x / level.downsample_x, grid.scale_y / level.downsample_y
    kx, ky = max(1, round(step_x)), max(1, round(step_y))
    taps_x = plan_taps(left, right, step_x / kx, -(-level.width // kx))
    taps_y = plan_taps(top, bottom, step_y / ky, -(-level.height // ky))
    boxes = _boxes(level, lambda *window: read_level(index, *window), taps_x, taps_y, (kx, ky))
    if taps_x.plain and taps_y.plain:
        return boxes
    return interpolate(
        boxes,
        taps_x.low - taps_x.start,
        taps_x.high - taps_x.start,
        taps_x.weight,
        taps_y.low - taps_y.start,
        taps_y.high - taps_y.start,
        taps_y.weight,
    )


def level_for(levels: Sequence[Level], grid: Grid, left_out: Collection[int] = ()) -> int:
    """Index of the coarsest level that is at least as fine as the grid; 0 where none is."""
    fine = [
        index
        for index, level in enumerate(levels)
        if index not in left_out
        and level.downsample_x <= grid.scale_x * (1 + 1e-6)
        and level.downsample_y <= grid.scale_y * (1 + 1e-6)
    ]
    return max(fine, key=lambda index: levels[index].downsample_x, default=0)


def _boxes(
    level: Level,
    read: Callable[[int, int, int, int], np.ndarray],
    taps_x: Taps,
    taps_y: Taps,
    size: tuple[int, int],
) -> np.ndarray:
    """Averages over boxes of a level; read in parts, so that a thumbnail needs little memory."""
    kx, ky = size
    rows, columns = taps_y.stop - taps_y.start, taps_x.stop - taps_x.start
    if kx == ky == 1:
        return read(taps_x.start, taps_y.start, columns, rows)
    out = np.empty((rows, columns, 3), np.uint8)
    high = max(1, _CHUNK_ROWS // ky)
    wide = max(1, _CHUNK_PIXELS // (high * ky) // kx)
    for top in range(0, rows, high):
        for left in range(0, columns, wide):
            part = out[top : top + high, left : left + wide]
            x, y = (taps_x.start + left) * kx, (taps_y.start + top) * ky
            width = min(part.shape[1] * kx, level.width - x)
            height = min(part.shape[0] * ky, level.height - y)
            part[:] = box_average(read(x, y, width, height), kx, ky)
    return out
