"""Where on a slide the nuclei of each class are dense."""

from __future__ import annotations

import math

import cv2
import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.export._legend import round_length
from karyoscope.export.base import ExportContext

_MOST_BINS = 64
_SMALLEST_UM = 20.0
#: Spread of the smoothing, in bins.
_SPREAD = 1.0

#: From few to many: pale yellow, orange, dark red.
RAMP = ((255, 245, 190), (254, 217, 118), (253, 141, 60), (227, 26, 28), (128, 0, 38))


class DensityGrid:
    """Counts of nuclei by class in square bins over a slide.

    Parameters
    ----------
    context : ExportContext
        Slide, scale, classes.

    Attributes
    ----------
    bin_um : float
        Edge of a bin in micrometres: a round length, such that there are at most 64 along the
        longer edge of the slide.
    """

    def __init__(self, context: ExportContext) -> None:
        width, height = context.size
        self._mpp = np.array([context.mpp_x, context.mpp_y])
        self._extent = np.array([width, height]) * self._mpp
        least = max(_SMALLEST_UM, float(self._extent.max()) / _MOST_BINS)
        # round_length never gives more than it is asked for.
        self.bin_um = round_length(2.5 * least)
        self._columns, self._rows = (math.ceil(e / self.bin_um) for e in self._extent.tolist())
        self._counts = np.zeros((256, self._rows, self._columns), np.int32)

    def add(self, nuclei: Nuclei) -> None:
        """Count a block of nuclei."""
        at = (np.stack([nuclei.x, nuclei.y], 1) * self._mpp / self.bin_um).astype(int)
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

    def paint(self, density: np.ndarray, most: float, picture: np.ndarray) -> np.ndarray:
        """Lay a density over a picture of the whole slide.

        Parameters
        ----------
        density : ndarray of float32, shape (rows, columns)
        most : float
            Density that has the last colour of the ramp.
        picture : ndarray of uint8, shape (h, w, 3)

        Returns
        -------
        ndarray of uint8, shape (h, w, 3)
        """
        height, width = picture.shape[:2]
        # The last bins may reach beyond the slide.
        reach = np.array([self._columns, self._rows]) * self.bin_um / self._extent
        shape = tuple(np.ceil(reach * [width, height]).astype(int).tolist())
        level = cv2.resize(density / max(most, 1e-12), shape, interpolation=cv2.INTER_LINEAR)
        level = np.clip(level[:height, :width], 0, 1)
        stops = np.linspace(0, 1, len(RAMP))
        color = np.stack([np.interp(level, stops, channel) for channel in zip(*RAMP, strict=True)])
        cover = 0.85 * np.clip(level / 0.25, 0, 1)[..., None]
        return (picture * (1 - cover) + np.moveaxis(color, 0, -1) * cover).astype(np.uint8)


def faded(picture: np.ndarray) -> np.ndarray:
    """The same picture in light grey, as a ground for colours."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.repeat((120 + 0.53 * grey).astype(np.uint8)[..., None], 3, 2)
