"""Density of the nuclei of each class over a slide, in square bins."""

from __future__ import annotations

import math

import cv2
import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.drawing import round_length
from karyoscope.formats.context import ExportContext

_MOST_BINS = 64
_SMALLEST_UM = 20.0
#: Standard deviation of the smoothing, in bins.
_SPREAD = 1.0


class DensityGrid:
    """Counts of nuclei by class in square bins over what pictures show of a slide.

    Parameters
    ----------
    context : ExportContext
        Slide, scale, classes.

    Attributes
    ----------
    bin_um : float
        Edge of a bin in micrometres: a round length, such that there are at most 64 along the
        longer edge of what is shown.
    extent_um : tuple of float
        Width and height of that in micrometres.
    """

    def __init__(self, context: ExportContext) -> None:
        *corner, width, height = context.shown_box
        self._corner = np.array(corner)
        self._mpp = np.array([context.mpp_x, context.mpp_y])
        self._extent = np.array([width, height]) * self._mpp
        least = max(_SMALLEST_UM, float(self._extent.max()) / _MOST_BINS)
        self.extent_um: tuple[float, float] = tuple(self._extent.tolist())
        # round_length never gives more than it is requested.
        self.bin_um = round_length(2.5 * least)
        self._columns, self._rows = (math.ceil(e / self.bin_um) for e in self._extent.tolist())
        self._counts = np.zeros((256, self._rows, self._columns), np.int32)

    def add(self, nuclei: Nuclei) -> None:
        """Count a block of nuclei."""
        at = ((np.stack([nuclei.x, nuclei.y], 1) - self._corner) * self._mpp / self.bin_um).astype(
            int
        )
        column, row = np.clip(at, 0, [self._columns - 1, self._rows - 1]).T
        np.add.at(self._counts, (nuclei.class_id, row, column), 1)

    def density(self, class_id: int) -> np.ndarray:
        """Nuclei of a class per mm², smoothed over the neighbouring bins: float32, (rows, columns).

        Bins at the right and lower edge count with the area that they have on the slide.
        """
        edges = [np.arange(n) * self.bin_um for n in (self._columns, self._rows)]
        across, down = (
            np.minimum(self.bin_um, extent - edge)
            for extent, edge in zip(self._extent, edges, strict=True)
        )
        area = np.outer(down, across).astype(np.float32) * 1e-6
        smooth = [
            cv2.GaussianBlur(a, (0, 0), _SPREAD, borderType=cv2.BORDER_CONSTANT)
            for a in (self._counts[class_id].astype(np.float32), area)
        ]
        return smooth[0] / np.maximum(smooth[1], 1e-12)
