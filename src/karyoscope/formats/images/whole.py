"""A slide, or its analysed part, as a picture of limited size."""

from __future__ import annotations

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
    left, top, width, height = context.shown_box
    step = -(-max(width, height) // longest)
    if step == 1:
        return read(left, top, width, height, None), 1.0, (left, top)
    # Pixels of the picture lie on a grid that begins at the corner of the slide.
    column, row = left // step, top // step
    box = column, row, -(-(left + width) // step) - column, -(-(top + height) // step) - row
    return _reduced(context, read, step, box), 1 / step, (column * step, row * step)


def enlarged(picture: np.ndarray, factor: int) -> np.ndarray:
    """The same picture with ``factor`` pixels an edge for each."""
    if factor == 1:
        return picture
    shape = (picture.shape[1] * factor, picture.shape[0] * factor)
    return cv2.resize(picture, shape, interpolation=cv2.INTER_CUBIC)


def _reduced(
    context: ExportContext, read: Reader, step: int, box: tuple[int, int, int, int]
) -> np.ndarray:
    """Read a box of a grid on which each ``step`` by ``step`` pixels are one."""
    column, row, columns, rows = box
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
