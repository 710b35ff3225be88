"""Local contrast, limited (CLAHE), channel by channel (mbzuai, section II.A)."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from karyoscope.stains.base import Normaliser, Recolour


class Clahe(Normaliser, Recolour):
    """Contrast limited adaptive histogram equalisation of red, green and blue separately.

    Histograms are those of cells on a lattice that begins at the origin of the *slide*, and a
    pixel is mapped by the four cells nearest to it. So the result depends on pixels up to a cell
    further away, whatever the window: ``context`` and ``align`` are one cell. A cell that the
    slide's edge cuts is completed by mirroring.

    The paper gives neither cells nor limit. 32 px are what the usual 8 x 8 cells are in tiles of
    256 px; the limit of 4 is the usual one.

    Parameters
    ----------
    cell : int
        Edge of a cell, px.
    limit : float
        A histogram's bins are cut at this many times their mean.
    """

    name = "clahe"
    targeted = False
    measured = False

    def __init__(self, cell: int = 32, limit: float = 4.0) -> None:
        self.context = self.align = cell
        self._limit = limit

    def fit(self, pixels: np.ndarray) -> Clahe:
        """Nothing is measured: the histograms are local."""
        return self

    def describe(self) -> dict[str, Any]:
        """Cell and limit."""
        return {"cell": self.align, "limit": self._limit}

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Change an image whose first pixel is on the lattice; see :meth:`Recolour.__call__`."""
        height, width = rgb.shape[:2]
        rows, columns = (-(-edge // self.align) for edge in (height, width))
        missing = rows * self.align - height, columns * self.align - width
        # numpy's padding mirrors any number of times, where an image is smaller than a cell.
        whole = np.pad(rgb, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric")
        equalise = cv2.createCLAHE(self._limit, (columns, rows))
        channels = [equalise.apply(channel) for channel in cv2.split(whole)]
        return np.ascontiguousarray(cv2.merge(channels)[:height, :width])
