"""Where a slide holds tissue, so that blank glass is not segmented.

Meant to be safe, not tight: what is skipped is surely blank. A pixel counts as tissue as soon as
it is visibly darker or more coloured than the glass, and the mask is widened by 50 µm.
"""

from __future__ import annotations

import math
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
    darkness = (_glass(rgb).astype(np.int16) - rgb).max(axis=2)
    chroma = rgb.max(axis=2).astype(np.int16) - rgb.min(axis=2)
    mask = ((darkness > _DARKER) | (chroma > _NEUTRAL)).astype(np.uint8)
    radius = math.ceil(_MARGIN_UM / mpp)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(mask, disc).astype(bool)


def _glass(rgb: np.ndarray) -> np.ndarray:
    """Colour of the empty glass, (3,); white where the picture shows none."""
    low, high = rgb.min(axis=2), rgb.max(axis=2)
    # Pure white is padding more often than glass, and would hide a glass that is less bright.
    neutral = (low > _BRIGHT) & (high - low <= _NEUTRAL) & (low < 255)
    if neutral.sum() < 0.001 * neutral.size:
        return np.full(3, 255, np.uint8)
    # Above the median, since some of these pixels are pale tissue.
    return np.percentile(rgb[neutral], 75, axis=0).astype(np.uint8)


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
