"""Reading of damaged slides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.pipeline.tiling.blocks import Box
from karyoscope.slides import Slide

_CELL = 256


class LenientReader:
    """Reads windows of a slide; parts that cannot be read are white, and are listed in ``unread``.

    A window that cannot be read is tried again in cells of 256 pixels, so that as little as
    possible is lost.

    Parameters
    ----------
    slide : Slide

    Attributes
    ----------
    unread : dict of Box to str
        Cells, in pixels of level 0, with a part that could not be read, and the reason.
    read_any : bool
        Whether anything could be read.
    """

    def __init__(self, slide: Slide) -> None:
        self._slide = slide
        self.unread: dict[Box, str] = {}
        self.read_any = False

    def read(self, x: int, y: int, width: int, height: int, mpp: float | None = None) -> np.ndarray:
        """Read a window; as :meth:`karyoscope.slides.Slide.read`, but without its errors."""
        try:
            rgb = self._slide.read(x, y, width, height, mpp)
            self.read_any = True
            return rgb
        except (KaryoscopeError, OSError):
            rgb = np.full((height, width, 3), 255, np.uint8)
        window = Box(x, y, x + width, y + height)
        for row in range(y // _CELL, -(-window.bottom // _CELL)):
            for column in range(x // _CELL, -(-window.right // _CELL)):
                left, top = column * _CELL, row * _CELL
                cell = Box(left, top, left + _CELL, top + _CELL)
                self._read_cell(rgb, window, cell, mpp)
        return rgb

    def _read_cell(self, rgb: np.ndarray, window: Box, cell: Box, mpp: float | None) -> None:
        part = cell.shared(window)
        rows = slice(part.top - window.top, part.bottom - window.top)
        columns = slice(part.left - window.left, part.right - window.left)
        try:
            rgb[rows, columns] = self._slide.read(part.left, part.top, part.width, part.height, mpp)
            self.read_any = True
        except (KaryoscopeError, OSError) as error:
            # The cell, not the part, so that windows that overlap name the same place.
            grid = self._slide.grid(mpp)
            place = Box(
                int(cell.left * grid.scale_x),
                int(cell.top * grid.scale_y),
                int(cell.right * grid.scale_x),
                int(cell.bottom * grid.scale_y),
            )
            self.unread.setdefault(place.shared(Box(0, 0, *self._slide.size)), str(error))

    def unread_in(self, windows: Sequence[Box], mpp: float) -> dict[Box, str]:
        """Parts of windows, on the grid of a pixel size, that could not be read."""
        if not self.unread:
            return {}
        grid = self._slide.grid(mpp)
        parts = [window.scaled(grid.scale_x, grid.scale_y) for window in windows]
        return {
            cell: why
            for cell, why in list(self.unread.items())
            if any(not cell.shared(part).empty for part in parts)
        }
