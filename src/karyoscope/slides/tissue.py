"""Detection of tissue: the area that densities refer to, and the glass that is not segmented.

Two areas are found on one picture of the slide at low resolution. The **tissue** itself is
measured, and has no margin. The area that is **searched** for nuclei is wider by 50 µm, so that
only blank glass is skipped. A pixel is tissue as soon as it is visibly darker or more coloured than
the glass, unless its colour is that of padding or pen ink (:mod:`karyoscope.core.foreign`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import cv2
import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.foreign import flat_grey, foreign_pixels, ink_tinted, strokes
from karyoscope.slides.appearance import SWAPPED, not_he, red_and_blue_swapped
from karyoscope.slides.base import Slide

_NEUTRAL = 14
_BRIGHT = 200
_DARKER = 8
#: How far around the tissue nuclei are searched.
_MARGIN_UM = 50.0
#: Gaps narrower than twice this belong to the tissue around them.
_GAP_UM = 8.0
#: What is darker than glass but has no colour is tissue within this of what has.
_PALE_UM = 25.0
_THUMBNAIL_MPP = 2.0
#: A nucleus still darkens a pixel of this size.
_SEARCH_MPP = 8.0
_LARGEST_EDGE = 4096
#: Places, and pixels along their edge, that colours are judged by where the picture is coarser.
_PLACES, _PLACE_PX = 12, 192


def tissue_mask(rgb: np.ndarray, mpp: float) -> np.ndarray:
    """Find tissue on a picture of a slide at low resolution.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (h, w, 3)
        At 16 µm/px or finer, so that a single nucleus still darkens a pixel.
    mpp : float
        Micrometres per pixel of the picture.

    Returns
    -------
    ndarray of bool, shape (h, w)
        Without a margin. Gaps of less than 16 µm are closed, larger ones (vessels, glands, fat)
        are not tissue; neither are black padding, flat grey and the ink of pens.
    """
    return _closed(_tissue_in(rgb, mpp)[0], _GAP_UM / mpp)


def _tissue_in(rgb: np.ndarray, mpp: float) -> tuple[np.ndarray, np.ndarray]:
    """What is tissue on a picture, gaps left open, and what may be."""
    channels = cv2.split(rgb)
    low = np.minimum.reduce(channels)
    chroma = np.maximum.reduce(channels) - low
    # Where grey or black meets the glass, pixels that are a mixture of both are neutral too; the
    # rim of a pen's stroke is as its ink, but pale.
    foreign, edge = strokes(foreign_pixels(rgb))
    foreign[edge] = (chroma[edge] <= _NEUTRAL) | ink_tinted(rgb[edge])
    foreign |= flat_grey(rgb)
    coloured = (chroma > _NEUTRAL) & ~foreign
    tissue = coloured.copy()
    for channel, glass in zip(channels, _glass(channels, low, chroma, foreign), strict=True):
        tissue |= channel < glass - _DARKER
    tissue &= ~foreign
    # Pale and neutral, and far from all that is stained, is dirt or a seam of padding.
    near = _within(coloured, _PALE_UM / mpp) if coloured.any() else coloured
    return tissue & near, tissue


def _glass(
    channels: Sequence[np.ndarray], low: np.ndarray, chroma: np.ndarray, foreign: np.ndarray
) -> list[float]:
    """Colour of the empty glass; white where the picture shows none."""
    # Pure white is padding more often than glass, and would hide a glass that is less bright.
    neutral = (low > _BRIGHT) & (chroma <= _NEUTRAL) & (low < 255)
    # Padding counts on neither side, so that the answer does not depend on how much there is.
    shown = np.count_nonzero((low < 255) & (neutral | ~foreign))
    if np.count_nonzero(neutral) < max(1, 0.001 * shown):
        return [255.0] * 3
    # Above the median, since some of these pixels are pale tissue.
    return [float(np.percentile(channel[neutral], 75)) for channel in channels]


def _searched(rgb: np.ndarray, mpp: float) -> np.ndarray:
    """Where nuclei may be; dirt that is smaller than a nucleus is averaged away."""
    height, width = rgb.shape[:2]
    step = max(1, round(_SEARCH_MPP / mpp))
    missing = [(0, -edge % step) for edge in (height, width)]
    padded = np.pad(rgb, [*missing, (0, 0)], "edge")
    shape = padded.shape[1] // step, padded.shape[0] // step
    small = cv2.resize(padded, shape, interpolation=cv2.INTER_AREA)
    possible = _tissue_in(small, mpp * step)[1]
    if possible.any():
        possible = _within(possible, math.ceil(_MARGIN_UM / (mpp * step)))
    return possible.repeat(step, 0).repeat(step, 1)[:height, :width]


def _closed(mask: np.ndarray, radius: float) -> np.ndarray:
    """Close gaps narrower than twice a radius, in pixels; the picture's edge is no wall."""
    if radius < 1 or not mask.any():
        return mask
    wide = math.ceil(radius) + 1
    grown = _within(np.pad(mask, wide), radius)
    # What is farther than the radius from all that is not grown.
    inner = cv2.distanceTransform(grown.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return mask | (inner > radius)[wide:-wide, wide:-wide]


def _within(mask: np.ndarray, radius: float) -> np.ndarray:
    """Return the pixels within a distance, in pixels, of a mask that is not empty."""
    rest = (~mask).astype(np.uint8)
    distance = cv2.distanceTransform(rest, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance <= radius)


@dataclass(frozen=True)
class Tissue:
    """A tissue mask and its place on the slide.

    Attributes
    ----------
    mask : ndarray of bool, shape (h, w)
        The tissue, without a margin.
    searched : ndarray of bool, shape (h, w)
        Where nuclei may be: 50 µm around all that may be tissue.
    scale : float
        Pixels of level 0 that one pixel of the masks spans.
    doubt : str
        Why the slide is not H&E; see :func:`karyoscope.slides.appearance.not_he`.
    """

    mask: np.ndarray
    searched: np.ndarray
    scale: float
    doubt: str = ""

    @classmethod
    def of(cls, slide: Slide) -> Tissue:
        """Find the tissue of a slide at 2 µm/px, or coarser if the slide is larger than 8 mm."""
        edge = math.ceil(max(slide.size) * slide.mpp / _THUMBNAIL_MPP)
        rgb, scale = slide.thumbnail(min(max(edge, 1), _LARGEST_EDGE), lenient=True)
        mpp = slide.mpp * scale
        tissue, possible = _tissue_in(rgb, mpp)
        mask = _closed(tissue, _GAP_UM / mpp)
        doubt = not_he(rgb, possible, slide.channels)
        if not doubt and red_and_blue_swapped(_stained(slide, rgb, tissue, scale)):
            doubt = SWAPPED
        return cls(mask, _searched(rgb, mpp), scale, doubt)

    @property
    def fraction(self) -> float:
        """Share of the slide that is tissue."""
        return float(self.mask.mean())

    def contains(self, x: float, y: float, width: float, height: float) -> bool:
        """Whether a box, in pixels of level 0, may contain nuclei."""
        left, top = max(0, math.floor(x / self.scale)), max(0, math.floor(y / self.scale))
        right, bottom = math.ceil((x + width) / self.scale), math.ceil((y + height) / self.scale)
        return bool(self.searched[top:bottom, left:right].any())

    def at(self, x: int, y: int, width: int, height: int, factor: float) -> np.ndarray:
        """Mask of a window of the slide, at the resolution of ``factor``.

        Parameters
        ----------
        x, y, width, height : int
            Window in pixels that span ``factor`` pixels of level 0; it may reach beyond the slide.
        factor : float
            Pixels of level 0 that a pixel of the window spans.

        Returns
        -------
        ndarray of bool, shape (height, width)
            Whether the centre of each pixel is tissue; False beyond the slide.
        """
        columns, rows = (
            np.floor((np.arange(start, start + length) + 0.5) * factor / self.scale).astype(int)
            for start, length in ((x, width), (y, height))
        )
        held = [
            (places >= 0) & (places < limit)
            for places, limit in zip((rows, columns), self.mask.shape, strict=True)
        ]
        within = [
            np.clip(places, 0, limit - 1)
            for places, limit in zip((rows, columns), self.mask.shape, strict=True)
        ]
        return np.asarray(self.mask[np.ix_(*within)] & np.outer(*held))

    def cells(
        self, x: float, y: float, width: float, height: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tissue in a box: centres of the mask's pixels, and what of each is in the box.

        Parameters
        ----------
        x, y, width, height : float
            Window in pixels of level 0.

        Returns
        -------
        columns, rows : ndarray of float, shape (w,) and (h,)
            Centres in pixels of level 0.
        area : ndarray of float, shape (h, w)
            Tissue in each, in square pixels of level 0.
        """
        columns, across = _shared(x, x + width, self.mask.shape[1], self.scale)
        rows, down = _shared(y, y + height, self.mask.shape[0], self.scale)
        part = self.mask[rows.start : rows.stop, columns.start : columns.stop]
        centres = [(np.arange(r.start, r.stop) + 0.5) * self.scale for r in (columns, rows)]
        return centres[0], centres[1], part * np.outer(down, across)

    def measure(self, x: float, y: float, width: float, height: float) -> float:
        """Tissue in a box, both in pixels of level 0."""
        return float(self.cells(x, y, width, height)[2].sum())


def _stained(slide: Slide, rgb: np.ndarray, tissue: np.ndarray, scale: float) -> np.ndarray:
    """Pixels of tissue of about 2 µm: all, or of some places where the picture is coarser."""
    factor = max(1, round(_THUMBNAIL_MPP / slide.mpp))
    if scale <= 1.5 * factor or not tissue.any():
        return rgb[tissue]
    rows, columns = np.nonzero(tissue)
    found = [rgb[:0, 0]]
    for place in np.linspace(0, len(rows) - 1, _PLACES + 2).astype(int)[1:-1]:
        x, y = ((at[place] + 0.5) * scale / factor - _PLACE_PX // 2 for at in (columns, rows))
        with suppress(KaryoscopeError, OSError):
            part = slide.read_reduced(round(x), round(y), _PLACE_PX, _PLACE_PX, factor)
            found.append(part[_tissue_in(part, slide.mpp * factor)[0]])
    return np.concatenate(found)


def _shared(start: float, stop: float, count: int, scale: float) -> tuple[range, np.ndarray]:
    """Cells of a row of ``count`` that an interval meets, and the length it has in each."""
    first = min(max(0, math.floor(start / scale)), count)
    last = max(first, min(count, math.ceil(stop / scale)))
    edges = np.clip(np.arange(first, last + 1) * scale, start, stop)
    return range(first, last), np.diff(edges)
