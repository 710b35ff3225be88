"""Pixels for the page: tiles of a pyramid, thumbnails and crops, as JPEG."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict

import imagecodecs
import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.slides import Slide

#: Edge of a tile in pixels.
TILE = 512
_QUALITY = 88
_KEPT_BYTES = 12 << 20
#: Decoded tiles of the file, which a tile of the page at its edge shares with the next.
_DECODED_BYTES = 8 << 20
_LARGEST_THUMBNAIL = 1024
_LARGEST_CROP = 512


class TileImages:
    """The tiles of one slide, of which the last ones are kept.

    Parameters
    ----------
    slide : Slide

    Attributes
    ----------
    slide : Slide
    levels : int
        Levels of the pyramid: a tile of level ``k`` is reduced by ``2**k``, and the last level
        is one tile.
    """

    def __init__(self, slide: Slide) -> None:
        self.slide = slide
        slide.cache_bytes = _DECODED_BYTES
        self.levels = 1 + max(0, math.ceil(math.log2(max(slide.size) / TILE)))
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, ...], bytes] = OrderedDict()
        self._bytes = 0

    def tile(self, level: int, column: int, row: int) -> bytes:
        """One tile as JPEG; those at the far edges are as small as what is left of the slide.

        Raises
        ------
        KaryoscopeError
            If there is no such tile or the slide cannot be read there.
        """
        factor = 2**level if 0 <= level < self.levels else 0
        width, height = self.slide.size
        span = TILE * factor
        if not (factor and 0 <= column * span < width and 0 <= row * span < height):
            raise KaryoscopeError(f"{self.slide.name} has no tile {column}, {row} of level {level}")
        key = level, column, row
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        x, y = column * TILE, row * TILE
        wide = min(TILE, math.ceil(width / factor) - x)
        high = min(TILE, math.ceil(height / factor) - y)
        data = encode(self.slide.read_reduced(x, y, wide, high, factor))
        with self._lock:
            if key not in self._kept:
                self._kept[key] = data
                self._bytes += len(data)
            while self._bytes > _KEPT_BYTES and len(self._kept) > 1:
                self._bytes -= len(self._kept.popitem(last=False)[1])
        return data

    def thumbnail(self, edge: int) -> bytes:
        """The slide at low resolution, as JPEG."""
        edge = min(max(16, edge), _LARGEST_THUMBNAIL)
        key = -1, edge
        if key not in self._kept:
            self._kept[key] = encode(self.slide.thumbnail(edge)[0])
        return self._kept[key]

    def crop(self, x: float, y: float, edge: int) -> bytes:
        """A square around a point of level 0, at full resolution, as JPEG."""
        edge = min(max(16, edge), _LARGEST_CROP)
        left, top = round(x - edge / 2), round(y - edge / 2)
        return encode(self.slide.read_reduced(left, top, edge, edge, 1))

    def close(self) -> None:
        """Close the slide."""
        self.slide.close()


def encode(rgb: np.ndarray, quality: int = _QUALITY) -> bytes:
    """Encode (h, w, 3) uint8 RGB as JPEG."""
    return bytes(
        imagecodecs.jpeg8_encode(np.ascontiguousarray(rgb), level=quality, subsampling="422")
    )
