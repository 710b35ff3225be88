"""Where a slide holds tissue, so that blank glass is not segmented.

Meant to be safe, not tight: what is skipped is surely blank. A pixel counts as tissue as soon as
it is visibly darker or more coloured than the glass, and the mask is widened by 50 µm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from karyoscope.slides.base import Slide

_NEUTRAL = 14
_BRIGHT = 200
_DARKER = 8
_MARGIN_UM = 50.0
_THUMBNAIL_MPP = 8.0
_LARGEST_EDGE = 4096


def tissue_mask(rgb: np.ndarray, mpp: float) -> np.ndarray:
    """Find tissue on a thumbnail.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (h, w, 3)
        At 16 µm/px or finer, so that a single nucleus still darkens a pixel.
    mpp : float
        Micrometres per pixel of the thumbnail.

    Returns
    -------
    ndarray of bool, shape (h, w)
    """
    channels = cv2.split(rgb)
    low = np.minimum.reduce(channels)
    chroma = np.maximum.reduce(channels) - low
    tissue = chroma > _NEUTRAL
    for channel, glass in zip(channels, _glass(channels, low, chroma), strict=True):
        tissue |= channel < glass - _DARKER
    radius = math.ceil(_MARGIN_UM / mpp)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(tissue.astype(np.uint8), disc).astype(bool)


def _glass(channels: Sequence[np.ndarray], low: np.ndarray, chroma: np.ndarray) -> list[float]:
    """Colour of the empty glass; white where the picture shows none."""
    # Pure white is padding more often than glass, and would hide a glass that is less bright.
    neutral = (low > _BRIGHT) & (chroma <= _NEUTRAL) & (low < 255)
    if np.count_nonzero(neutral) < 0.001 * neutral.size:
        return [255.0] * 3
    # Above the median, since some of these pixels are pale tissue.
    return [float(np.percentile(channel[neutral], 75)) for channel in channels]


@dataclass(frozen=True)
class Tissue:
    """A tissue mask and its place on the slide.

    Attributes
    ----------
    mask : ndarray of bool, shape (h, w)
    scale : float
        Pixels of level 0 that one pixel of the mask spans.
    """

    mask: np.ndarray
    scale: float

    @classmethod
    def of(cls, slide: Slide) -> Tissue:
        """Find the tissue of a slide on a thumbnail of about 8 µm/px."""
        edge = math.ceil(max(slide.size) * slide.mpp / _THUMBNAIL_MPP)
        rgb, scale = slide.thumbnail(min(max(edge, 1), _LARGEST_EDGE))
        return cls(tissue_mask(rgb, slide.mpp * scale), scale)

    @property
    def fraction(self) -> float:
        """Share of the slide that is tissue, margin included."""
        return float(self.mask.mean())

    def contains(self, x: float, y: float, width: float, height: float) -> bool:
        """Tell whether a box, in pixels of level 0, holds any tissue."""
        left, top = max(0, math.floor(x / self.scale)), max(0, math.floor(y / self.scale))
        right, bottom = math.ceil((x + width) / self.scale), math.ceil((y + height) / self.scale)
        return bool(self.mask[top:bottom, left:right].any())
