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
from copy import copy

import cv2
import numpy as np

from karyoscope.core.bitmask import BitMask
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.foreign import flat_grey, foreign_pixels, ink_tinted, strokes
from karyoscope.slides.appearance import SWAPPED, not_he, red_and_blue_swapped
from karyoscope.slides.base import Slide
from karyoscope.slides.strips import closed, strips, within

_NEUTRAL = 14
_BRIGHT = 200
_DARKER = 8
#: Pixels that the strokes of pens and flat grey are judged by, around each.
_REACH = 8
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
    return closed(_tissue_in(rgb, mpp)[0], _GAP_UM / mpp)


def _tissue_in(rgb: np.ndarray, mpp: float) -> tuple[np.ndarray, np.ndarray]:
    """What is tissue on a picture, gaps left open, and what may be."""
    foreign, glass = _foreign_and_glass(rgb)
    tissue, possible = (np.empty(rgb.shape[:2], bool) for _ in range(2))
    radius = _PALE_UM / mpp
    for own, wide, inner in strips(len(rgb), math.ceil(radius) + 1):
        channels, _, chroma = _split(rgb[wide])
        coloured = (chroma > _NEUTRAL) & ~foreign[wide]
        found = coloured[inner].copy()
        for channel, empty in zip(channels, glass, strict=True):
            found |= channel[inner] < empty - _DARKER
        found &= ~foreign[own]
        possible[own] = found
        # Pale and neutral, and far from all that is stained, is dirt or a seam of padding.
        tissue[own] = found & within(coloured, radius)[inner]
    return tissue, possible


def _split(rgb: np.ndarray) -> tuple[Sequence[np.ndarray], np.ndarray, np.ndarray]:
    """Channels, the least of them, and the difference of greatest and least."""
    channels = cv2.split(rgb)
    low = np.minimum.reduce(channels)
    return channels, low, np.maximum.reduce(channels) - low


def _foreign_and_glass(rgb: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """Mask of padding, flat grey and ink; colour of the glass, white where none is shown."""
    foreign = np.empty(rgb.shape[:2], bool)
    shown, levels = 0, np.zeros((3, 256), np.int64)
    for own, wide, inner in strips(len(rgb), _REACH):
        part = rgb[wide]
        channels, low, chroma = _split(part)
        # Where grey or black meets the glass, pixels that are a mixture of both are neutral too;
        # the rim of a pen's stroke is as its ink, but pale.
        found, edge = strokes(foreign_pixels(part))
        found[edge] = (chroma[edge] <= _NEUTRAL) | ink_tinted(part[edge])
        found |= flat_grey(part)
        foreign[own] = found[inner]
        # Pure white is padding more often than glass, and would hide a glass that is less bright.
        low, chroma = low[inner], chroma[inner]
        neutral = (low > _BRIGHT) & (chroma <= _NEUTRAL) & (low < 255)
        # Padding counts on neither side, so that the answer does not depend on how much there is.
        shown += int(np.count_nonzero((low < 255) & (neutral | ~found[inner])))
        for counts, channel in zip(levels, channels, strict=True):
            counts += np.bincount(channel[inner][neutral], minlength=256)
    if levels[0].sum() < max(1, 0.001 * shown):
        return foreign, [255.0] * 3
    # Above the median, since some of these pixels are pale tissue.
    return foreign, [_upper_quartile(counts) for counts in levels]


def _upper_quartile(counts: np.ndarray) -> float:
    """The 75th percentile of values that are counted by level, as ``np.percentile`` gives it."""
    upto = np.cumsum(counts)
    place = 0.75 * (int(upto[-1]) - 1)
    lower, upper = np.searchsorted(upto, [math.floor(place), math.ceil(place)], side="right")
    return float(lower + (upper - lower) * (place % 1))


def _searched(rgb: np.ndarray, mpp: float) -> np.ndarray:
    """Where nuclei may be; dirt that is smaller than a nucleus is averaged away."""
    height, width = rgb.shape[:2]
    step = max(1, round(_SEARCH_MPP / mpp))
    small = rgb
    if step > 1:
        missing = [(0, -edge % step) for edge in (height, width)]
        padded = np.pad(rgb, [*missing, (0, 0)], "edge") if any(n for _, n in missing) else rgb
        shape = padded.shape[1] // step, padded.shape[0] // step
        small = cv2.resize(padded, shape, interpolation=cv2.INTER_AREA)
    possible = within(_tissue_in(small, mpp * step)[1], math.ceil(_MARGIN_UM / (mpp * step)))
    return possible.repeat(step, 0).repeat(step, 1)[:height, :width]


def _read_only(packed: BitMask) -> np.ndarray:
    mask = np.asarray(packed)
    mask.flags.writeable = False
    return mask


class Tissue:
    """A tissue mask and its place on the slide.

    Parameters
    ----------
    mask : ndarray of bool, shape (h, w)
        The tissue, without a margin.
    searched : ndarray of bool, shape (h, w)
        Where nuclei may be: 50 µm around all that may be tissue.
    scale : float
        Pixels of level 0 that one pixel of the masks spans.
    doubt : str
        Why the slide is not H&E; see :func:`karyoscope.slides.appearance.not_he`.

    Attributes
    ----------
    packed, packed_searched : BitMask
        The masks as they are held: both take 4 MB at most.
    """

    def __init__(
        self, mask: np.ndarray, searched: np.ndarray, scale: float, doubt: str = ""
    ) -> None:
        self.packed, self.packed_searched = BitMask(mask), BitMask(searched)
        self.scale, self.doubt = scale, doubt

    @property
    def mask(self) -> np.ndarray:
        """The tissue; an array that is made on request and cannot be written to."""
        return _read_only(self.packed)

    @property
    def searched(self) -> np.ndarray:
        """Where nuclei may be; an array that is made on request and cannot be written to."""
        return _read_only(self.packed_searched)

    def with_mask(self, mask: np.ndarray) -> Tissue:
        """Return another mask of the tissue, where the same is searched."""
        other = copy(self)
        other.packed = BitMask(mask)
        return other

    @classmethod
    def of(cls, slide: Slide) -> Tissue:
        """Find the tissue of a slide at 2 µm/px, or coarser if the slide is larger than 8 mm."""
        edge = math.ceil(max(slide.size) * slide.mpp / _THUMBNAIL_MPP)
        rgb, scale = slide.thumbnail(min(max(edge, 1), _LARGEST_EDGE), lenient=True)
        mpp = slide.mpp * scale
        tissue, possible = _tissue_in(rgb, mpp)
        mask = closed(tissue, _GAP_UM / mpp)
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
        return bool(self.packed_searched[top : max(0, bottom), left : max(0, right)].any())

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
            for places, limit in zip((rows, columns), self.packed.shape, strict=True)
        ]
        within = [
            np.clip(places, 0, limit - 1)
            for places, limit in zip((rows, columns), self.packed.shape, strict=True)
        ]
        # Places ascend.
        top, left = (int(places[0]) if len(places) else 0 for places in within)
        bottom, right = (int(places[-1]) + 1 if len(places) else 0 for places in within)
        part = self.packed[top:bottom, left:right]
        return part[np.ix_(within[0] - top, within[1] - left)] & np.outer(*held)

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
        columns, across = _shared(x, x + width, self.packed.shape[1], self.scale)
        rows, down = _shared(y, y + height, self.packed.shape[0], self.scale)
        part = self.packed[rows.start : rows.stop, columns.start : columns.stop]
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
