"""Sums over the pixels of cells, from which faults are decided."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.foreign import extremes, ink_pixels, ink_tinted, neutral_pixels, strokes
from karyoscope.core.staining import DECADIC_DENSITY
from karyoscope.slides.base import Slide
from karyoscope.slides.tissue import Tissue

#: Pixels that faults are looked for in, µm.
PIXEL_UM = 2.0
#: Pixels along the edge of a cell.
CELL = 16
#: Cells along the edge of what is read at once.
TILE = 64
#: Pixels read around it: more than any filter reaches.
_HALO = 8
_LOWEST, _HIGHEST = 3, 253
_REBLUR = 3
#: Pixels, along each axis, over which the least density shows gaps between nuclei.
_GAP = 5

NAMES = (
    *("tissue", "change_x", "lost_x", "change_y", "lost_y", "red", "green", "blue", "least"),
    *("ink", "neutral", "clipped"),
)
"""What is summed; see :func:`sums_of`."""

_DENSITY = DECADIC_DENSITY.astype(np.float32)


def sums_of(rgb: np.ndarray, tissue: np.ndarray) -> dict[str, np.ndarray]:
    """Images whose sums over a cell determine its faults.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (h, w, 3)
        Pixels of about 2 µm.
    tissue : ndarray of bool, shape (h, w)

    Returns
    -------
    dict of str to ndarray of float32, shape (h, w)
        ``tissue``; ``change_x`` and ``lost_x``: absolute differences of neighbours, and what of
        them a further blur takes away (the same along y; F. Crete et al., "The blur effect:
        perception and estimation with a new no-reference perceptual blur metric", 2007, with a
        filter of 3 pixels); ``red``, ``green``, ``blue``: optical density of tissue; ``least``:
        the smallest density, of all colours together, within 5 pixels; ``ink`` of pens;
        ``neutral``: black or grey; ``clipped``: tissue with a channel at the end of its range.
    """
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    ink, edge = strokes(ink_pixels(rgb))
    ink[edge] = ink_tinted(rgb[edge])
    density = [_DENSITY[channel] for channel in cv2.split(rgb)]
    low, high = extremes(rgb)
    kept = tissue.astype(np.float32)
    least = cv2.erode(density[0] + density[1] + density[2], np.ones((_GAP, _GAP), np.uint8))
    images = {
        "tissue": kept,
        **{name: of * kept for name, of in zip(("red", "green", "blue"), density, strict=True)},
        "least": least,
        "ink": ink.astype(np.float32),
        "neutral": neutral_pixels(rgb).astype(np.float32),
        "clipped": ((low <= _LOWEST) | (high >= _HIGHEST)) * kept,
    }
    for axis, name in ((1, "x"), (0, "y")):
        change = _change(grey, axis)
        reblurred = cv2.blur(grey, (_REBLUR, 1) if axis else (1, _REBLUR))
        images[f"change_{name}"] = change
        images[f"lost_{name}"] = np.maximum(change - _change(reblurred, axis), 0)
    return images


def _change(grey: np.ndarray, axis: int) -> np.ndarray:
    """Absolute difference of each pixel and the one before it; 0 for the first."""
    change = np.zeros_like(grey)
    if axis:
        cv2.absdiff(grey[:, 1:], grey[:, :-1], dst=change[:, 1:])
    else:
        cv2.absdiff(grey[1:], grey[:-1], dst=change[1:])
    return change


def cell_sums(slide: Slide, tissue: Tissue, factor: int) -> dict[str, np.ndarray]:
    """Sums of :func:`sums_of` for the cells of a slide, read tile by tile.

    Parameters
    ----------
    slide : Slide
    tissue : Tissue
        Tiles far from where nuclei may be are not read; their sums are 0.
    factor : int
        Pixels of level 0 that a pixel spans.

    Returns
    -------
    dict of str to ndarray of float32, shape (rows, columns)
        Means over the pixels of a cell; 0 where the slide cannot be read.
    """
    width, height = (-(-length // factor) for length in slide.size)
    shape = -(-height // CELL), -(-width // CELL)
    sums = {name: np.zeros(shape, np.float32) for name in NAMES}
    for row, column in _tiles(shape):
        rows, columns = min(TILE, shape[0] - row), min(TILE, shape[1] - column)
        x, y = column * CELL, row * CELL
        box = (v * factor for v in (x, y, columns * CELL, rows * CELL))
        if not tissue.contains(*box):
            continue
        wide, high = columns * CELL, rows * CELL
        window = x - _HALO, y - _HALO, wide + 2 * _HALO, high + 2 * _HALO
        try:
            rgb = _read(slide, window, (width, height), factor)
        except (KaryoscopeError, OSError):
            continue
        images = sums_of(rgb, tissue.at(*window, factor))
        for name, image in images.items():
            inner = image[_HALO : _HALO + high, _HALO : _HALO + wide]
            means = cv2.resize(inner, (columns, rows), interpolation=cv2.INTER_AREA)
            sums[name][row : row + rows, column : column + columns] = means
    return sums


def _read(
    slide: Slide, window: tuple[int, int, int, int], size: tuple[int, int], factor: int
) -> np.ndarray:
    """Read a window at low resolution; beyond the slide its outermost pixels are repeated."""
    x, y, wide, high = window
    left, top, right, bottom = max(0, x), max(0, y), min(size[0], x + wide), min(size[1], y + high)
    rgb = slide.read_reduced(left, top, right - left, bottom - top, factor)
    margins = top - y, y + high - bottom, left - x, x + wide - right
    return cv2.copyMakeBorder(rgb, *margins, cv2.BORDER_REPLICATE)


def _tiles(shape: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Row and column of the first cell of each tile."""
    for row in range(0, shape[0], TILE):
        for column in range(0, shape[1], TILE):
            yield row, column
