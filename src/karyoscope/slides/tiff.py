"""Aperio SVS, OME-TIFF and any tiled, striped or plain TIFF, read tile by tile."""

from __future__ import annotations

import logging
import struct
import threading
from collections import OrderedDict
from pathlib import Path
from typing import ClassVar, NoReturn

import numpy as np
import tifffile

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.pixels import depth_remark, orientation_remark
from karyoscope.core.tiff_guard import check_directories
from karyoscope.slides._sniff import TIFF_MAGIC, reason
from karyoscope.slides._tiff_images import extra_axes, images_of
from karyoscope.slides._tiff_scale import channel_names, recorded_scale
from karyoscope.slides._vendor import vendor_format
from karyoscope.slides.base import Slide, UnsupportedLayout
from karyoscope.slides.grid import pyramid_level
from karyoscope.slides.scale import RecordedScale
from karyoscope.slides.tiff_tiles import TiledLevel

# What tifffile logs about damage becomes an error here or does not matter.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


class TiffSlide(Slide):
    """A TIFF file whose tiles are found by tifffile and decoded by imagecodecs.

    Decoded tiles are kept, up to 64 MB, since neighbouring windows share them. Tiles that the
    file leaves out are white. Colour profiles are not applied, nor are orientation tags, which
    are named. Of several images one is read (see :func:`karyoscope.slides.open_slide`).
    """

    format: ClassVar[str] = "tiff"

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        """Whether it is a TIFF file, except of vendors whose layout only OpenSlide reads."""
        if not head.startswith(TIFF_MAGIC):
            return False
        return vendor_format(path) in (None, "aperio", "generic-tiff")

    def _open(self) -> None:
        assert self.path is not None
        self._lock = threading.Lock()
        self._cache: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()
        self._cached_bytes = 0
        try:
            check_directories(self.path)
            self._tif = tifffile.TiffFile(self.path)
        except KaryoscopeError:
            raise
        except Exception as error:  # tifffile raises many kinds for a damaged header
            raise KaryoscopeError(
                f"{self.path} is not a readable TIFF file: {reason(error)}"
            ) from error
        try:
            self._tiles = self._find_levels()
            size = self._tiles[0].width, self._tiles[0].height
            self.levels = [pyramid_level(size, t.width, t.height) for t in self._tiles]
        except KaryoscopeError:
            self._tif.close()
            raise
        except Exception as error:
            self._tif.close()
            raise KaryoscopeError(f"{self.path} is a damaged TIFF file: {reason(error)}") from error

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels in the OME metadata, where there are some."""
        place = next(i for i, found in enumerate(self._tif.series) if found is self._main)
        return channel_names(self._tif.ome_metadata, place)

    def _find_levels(self) -> list[TiledLevel]:
        if not self._tif.series:
            raise KaryoscopeError(f"{self.path} holds no image; it may be truncated")
        images = images_of(self._tif)
        image = images[self._choose([image.scene for image in images])]
        self._main = image.series
        if image.page is not None:
            if self.scene is None:
                self._refuse_stack(image.series)
            return self._complete([self._level([self._page(image.series, image.page)])])
        first = self._main.keyframe
        aspect = first.imagewidth / first.imagelength

        def coarser(series: tifffile.TiffPageSeries) -> bool:
            # A level that is no coarser, or of another shape, is not one of this pyramid.
            width, height = series.keyframe.imagewidth, series.keyframe.imagelength
            return width < first.imagewidth and abs(width - aspect * height) <= 2 * max(1, aspect)

        others = filter(coarser, [*self._main.levels[1:], *self._stray_levels()])
        pyramid = (self._main, *sorted(others, key=_area, reverse=True))
        return self._complete([self._level(self._pages_of(series)) for series in pyramid])

    def _level(self, pages: list[tifffile.TiffPage]) -> TiledLevel:
        return TiledLevel(self._tif, pages, self._lock)

    def _stray_levels(self) -> list[tifffile.TiffPageSeries]:
        """Levels of an Aperio file that tifffile takes for something else.

        It expects a thumbnail behind level 0, where files whose thumbnail was removed with the
        patient's name have the next level. Thumbnails, labels and macros have no tiles.
        """
        if not self._tif.is_svs:
            return []
        others = (series for series in self._tif.series if series is not self._main)
        return [series for series in others if series.keyframe.is_tiled]

    def _pages_of(self, series: tifffile.TiffPageSeries) -> list[tifffile.TiffPage]:
        """Pages of one level: one, or one per colour."""
        extra = extra_axes(series)
        if not extra:
            return [self._page(series, 0)]
        if set(extra) == {"C"} and extra["C"] == 3:
            return [self._page(series, channel) for channel in range(3)]
        self._refuse_stack(series)

    def _refuse_stack(self, series: tifffile.TiffPageSeries) -> NoReturn:
        extra = extra_axes(series)
        what = ", ".join(f"{count} along {axis}" for axis, count in extra.items())
        way = "export one as RGB" if "C" in extra else "choose one with --scene"
        raise UnsupportedLayout(
            f"{self.path}: a stack of images ({what}), not one H&E image; {way}"
        )

    def _page(self, series: tifffile.TiffPageSeries, index: int) -> tifffile.TiffPage:
        page = series.pages[index]
        if page is None:
            raise UnsupportedLayout(f"{self.path}: part of the image is in another file")
        return page.aspage()

    def _complete(self, levels: list[TiledLevel]) -> list[TiledLevel]:
        """Check that the file holds all of its levels, and look at their samples."""
        size = self._tif.filehandle.size
        if _next_page(self._tif) > size or max(level.end() for level in levels) > size:
            raise KaryoscopeError(f"{self.path} is truncated: it ends at byte {size}")
        try:
            # Decoding a tile of each now tells at once of a codec that is missing.
            for level in levels:
                level.samples((level.down // 2) * level.across + level.across // 2)
            self.white_point = levels[0].white_point()
            for level in levels:
                level.white = self.white_point
            sixteen = levels[0].pages[0].bitspersample == 16
            found = [depth_remark(self.white_point) if sixteen else ""]
            found += [orientation_remark(levels[0].pages[0].tags.valueof(274)), *levels[0].alpha()]
        except KaryoscopeError as error:
            raise UnsupportedLayout(str(error)) from error
        self.remarks += tuple(filter(None, found))
        return levels

    def _recorded_scale(self) -> RecordedScale:
        try:
            return recorded_scale(self._tif, self._main)
        except Exception as error:  # tags of other types than they should have
            raise KaryoscopeError(
                f"{self.path}: its pixel size cannot be read ({reason(error)})"
            ) from error

    def _read_level(self, level: int, x: int, y: int, width: int, height: int) -> np.ndarray:
        tiles = self._tiles[level]
        out = np.empty((height, width, 3), np.uint8)
        for row in range(y // tiles.tile_height, -(-(y + height) // tiles.tile_height)):
            top = row * tiles.tile_height
            y0, y1 = max(top, y), min(top + tiles.tile_height, y + height)
            for column in range(x // tiles.tile_width, -(-(x + width) // tiles.tile_width)):
                left = column * tiles.tile_width
                x0, x1 = max(left, x), min(left + tiles.tile_width, x + width)
                tile = self._tile(level, row * tiles.across + column)
                part = 255 if tile is None else tile[y0 - top : y1 - top, x0 - left : x1 - left]
                out[y0 - y : y1 - y, x0 - x : x1 - x] = part
        return out

    def _tile(self, level: int, index: int) -> np.ndarray | None:
        key = level, index
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        tile = self._tiles[level].rgb(index)
        if tile is None:
            return None
        with self._lock:
            if key not in self._cache:
                self._cache[key] = tile
                self._cached_bytes += tile.nbytes
            while self._cached_bytes > self.cache_bytes and len(self._cache) > 1:
                self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes
        return tile

    def close(self) -> None:
        """Close the file and forget the decoded tiles."""
        self._tif.close()
        self._cache.clear()
        self._cached_bytes = 0


def _area(series: tifffile.TiffPageSeries) -> int:
    return series.keyframe.imagewidth * series.keyframe.imagelength


def _next_page(tif: tifffile.TiffFile) -> int:
    """Position of the page that should follow the last one found; 0 where there is none.

    tifffile stops without an error where a page lies beyond the end of the file.
    """
    layout, handle = tif.tiff, tif.filehandle
    start = tif.pages[len(tif.pages) - 1].offset
    handle.seek(start)
    (tags,) = struct.unpack(layout.tagnoformat, handle.read(layout.tagnosize))
    handle.seek(start + layout.tagnosize + tags * layout.tagsize)
    return struct.unpack(layout.offsetformat, handle.read(layout.offsetsize))[0]
