"""Small regions of a large image that are worth showing at full resolution."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.drawing import draw_nuclei
from karyoscope.formats.context import ExportContext, Reader
from karyoscope.formats.images.spool import OutlineSpool

_SIDE_UM = 120.0


class Insets:
    """Squares of 120 µm with many nuclei of many classes, in the part that pictures show.

    Parameters
    ----------
    context : ExportContext
        Slide, scale, classes.
    read : callable
        Function with the arguments of ``context.read``.
    folder : Path
        Created, for outlines that may be needed; the caller removes it.

    Attributes
    ----------
    side : int
        Side of a square, in pixels of level 0.
    """

    def __init__(self, context: ExportContext, read: Reader, folder: Path) -> None:
        self._left, self._top, *size = context.shown_box
        self.side = min(round(_SIDE_UM / context.mpp), *size)
        self._read = read
        self._columns, self._rows = (length // self.side for length in size)
        # Places count from the corner of what is shown, on whose lattice the squares lie.
        within = replace(context, size=(size[0], size[1]), shown=None)
        self._spool = OutlineSpool(folder, self.side, within)
        self._ids = (0, *context.taxonomy.ids)
        self._counts = np.zeros((self._rows, self._columns, len(self._ids)), np.int32)

    def add(self, nuclei: Nuclei) -> None:
        """Count a block of nuclei and set its outlines aside."""
        nuclei = nuclei.shift(-self._left, -self._top)
        self._spool.add(nuclei)
        row, column = (nuclei.y // self.side).astype(int), (nuclei.x // self.side).astype(int)
        inside = (row >= 0) & (row < self._rows) & (column >= 0) & (column < self._columns)
        k = np.searchsorted(self._ids, nuclei.class_id)
        np.add.at(self._counts, (row[inside], column[inside], k[inside]), 1)

    def choose(self, count: int) -> list[tuple[int, int]]:
        """Corners of up to ``count`` squares, apart, from top to bottom, in what is shown.

        The best is where the sum over the classes of the square root of the number of nuclei is
        greatest: nuclei are many there, and mixed. Squares of less than half that are left out.
        """
        score = np.sqrt(self._counts).sum(2)
        least = 0.5 * score.max(initial=0)
        apart = max(1, max(self._rows, self._columns) // 8)
        corners: list[tuple[int, int]] = []
        while len(corners) < count and score.max(initial=0) > least:
            row, column = np.unravel_index(np.argmax(score), score.shape)
            corners.append((int(column) * self.side, int(row) * self.side))
            rows, columns = np.ogrid[: self._rows, : self._columns]
            score[(abs(rows - row) <= apart) & (abs(columns - column) <= apart)] = 0
        return sorted(corners, key=lambda corner: corner[1])

    def picture(self, corner: tuple[int, int], pixels: int) -> np.ndarray:
        """One square with its outlines, (pixels, pixels, 3) uint8."""
        x, y = corner
        image = self._read(self._left + x, self._top + y, self.side, self.side, None)
        method = cv2.INTER_AREA if self.side > pixels else cv2.INTER_CUBIC
        image = cv2.resize(image, (pixels, pixels), interpolation=method)
        nuclei = self._spool.read(y // self.side)
        starts = nuclei.offsets[:-1]
        low = np.minimum.reduceat(nuclei.vertices[:, 0], starts)
        high = np.maximum.reduceat(nuclei.vertices[:, 0], starts)
        inside = nuclei.take((high >= x) & (low <= x + self.side))
        draw_nuclei(image, inside, pixels / self.side, x, y)
        return image
