"""A slide, or its analysed part, as a picture of limited size."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from karyoscope.formats.context import ExportContext, Reader

_STRIP = 64


def read_shown(
    context: ExportContext, read: Reader, longest: int
) -> tuple[np.ndarray, float, tuple[int, int]]:
    """Read what pictures show, reduced by a whole number until no edge is longer than ``longest``.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
        RGB.
    float
        Pixels of the picture for one of level 0; 1 where the part is small.
    (int, int)
        Corner of the picture on level 0.
    """
    step, box = _lattice(context, longest)
    return _read(context, read, step, box), 1 / step, (box[0] * step, box[1] * step)


def shown_size(
    context: ExportContext, longest: int
) -> tuple[tuple[int, int], float, tuple[int, int]]:
    """Width and height, scale and corner of the picture that :func:`read_shown` reads."""
    step, (column, row, columns, rows) = _lattice(context, longest)
    return (columns, rows), 1 / step, (column * step, row * step)


def read_in_strips(
    context: ExportContext, read: Reader, longest: int, height: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Read the picture of :func:`read_shown` from top to bottom.

    Parameters
    ----------
    context, read, longest : ExportContext, callable, int
        See :func:`read_shown`.
    height : int
        Rows of a strip.

    Yields
    ------
    int
        The first row of a strip.
    ndarray of uint8, shape (h, w, 3)
    """
    step, (column, row, columns, rows) = _lattice(context, longest)
    for top in range(0, rows, height):
        box = column, row + top, columns, min(height, rows - top)
        yield top, _read(context, read, step, box)


def _lattice(context: ExportContext, longest: int) -> tuple[int, tuple[int, int, int, int]]:
    """Pixels of level 0 along a pixel of the picture, and the picture's box in its own pixels.

    These lie on a grid that begins at the corner of the slide.
    """
    left, top, width, height = context.shown_box
    step = -(-max(width, height) // longest)
    column, row = left // step, top // step
    box = column, row, -(-(left + width) // step) - column, -(-(top + height) // step) - row
    return step, box


def enlarged(picture: np.ndarray, factor: int) -> np.ndarray:
    """The same picture with ``factor`` pixels an edge for each."""
    if factor == 1:
        return picture
    shape = (picture.shape[1] * factor, picture.shape[0] * factor)
    return cv2.resize(picture, shape, interpolation=cv2.INTER_CUBIC)


def _read(
    context: ExportContext, read: Reader, step: int, box: tuple[int, int, int, int]
) -> np.ndarray:
    """Read a box of a grid on which each ``step`` by ``step`` pixels are one."""
    column, row, columns, rows = box
    if step == 1:
        return read(column, row, columns, rows, None)
    if context.mpp_x == context.mpp_y:
        return read(column, row, columns, rows, context.mpp * step)
    # A grid with one mpp would have other proportions than level 0.
    picture = np.empty((rows, columns, 3), np.uint8)
    for top in range(0, rows, _STRIP):
        strip = picture[top : top + _STRIP]
        corner = column * step, (row + top) * step
        full = read(*corner, columns * step, len(strip) * step, None)
        strip[:] = cv2.resize(full, (columns, len(strip)), interpolation=cv2.INTER_AREA)
    return picture
