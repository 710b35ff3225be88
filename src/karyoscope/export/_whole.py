"""A whole slide as one picture of a size that can be shown."""

from __future__ import annotations

import cv2
import numpy as np

from karyoscope.export.base import ExportContext, Reader

_STRIP = 64


def read_whole(context: ExportContext, read: Reader, longest: int) -> tuple[np.ndarray, float]:
    """Read all of a slide, reduced by a whole number until no edge is longer than ``longest``.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
        RGB.
    float
        Pixels of the picture for one of level 0; 1 where the slide is small.
    """
    width, height = context.size
    step = -(-max(width, height) // longest)
    if step == 1:
        return read(0, 0, width, height, None), 1.0
    return _reduced(context, read, step), 1 / step


def enlarged(picture: np.ndarray, factor: int) -> np.ndarray:
    """The same picture with ``factor`` pixels an edge for each."""
    if factor == 1:
        return picture
    shape = (picture.shape[1] * factor, picture.shape[0] * factor)
    return cv2.resize(picture, shape, interpolation=cv2.INTER_CUBIC)


def _reduced(context: ExportContext, read: Reader, step: int) -> np.ndarray:
    """Read the whole image with each ``step`` by ``step`` pixels made one."""
    width, height = context.size
    columns, rows = -(-width // step), -(-height // step)
    if context.mpp_x == context.mpp_y:
        return read(0, 0, columns, rows, context.mpp * step)
    # A grid with one mpp would have other proportions than level 0.
    picture = np.empty((rows, columns, 3), np.uint8)
    for top in range(0, rows, _STRIP):
        strip = picture[top : top + _STRIP]
        full = read(0, top * step, columns * step, len(strip) * step, None)
        strip[:] = cv2.resize(full, (columns, len(strip)), interpolation=cv2.INTER_AREA)
    return picture
