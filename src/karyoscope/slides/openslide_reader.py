"""Every format that OpenSlide reads: NDPI, MRXS, SCN, BIF, VMS, Philips, DICOM and others."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.pixels import to_rgb
from karyoscope.slides._dicom_series import series_by_openslide
from karyoscope.slides._openslide import openslide
from karyoscope.slides._sniff import reason
from karyoscope.slides._vendor import vendor_format
from karyoscope.slides.base import Slide, UnsupportedLayout
from karyoscope.slides.grid import pyramid_level
from karyoscope.slides.scale import RecordedScale

_BLOCK = 512
_CACHED_BLOCKS = 64


class OpenSlideSlide(Slide):
    """A slide read by OpenSlide; transparent pixels are white.

    Coordinates are those of OpenSlide's level 0. ``bounds`` is the scanned part, which for MRXS
    is a fraction of it.
    """

    format: ClassVar[str] = "openslide"

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        """Whether OpenSlide reads the file; plain TIFF is left to :class:`TiffSlide`."""
        return vendor_format(_main_file(path)) not in (None, "generic-tiff")

    def _open(self) -> None:
        assert self.path is not None
        file = self._file = self._one_file(self.path)
        # Another reader may know a DICOM file; any other would show a picture that is not it.
        refusal = UnsupportedLayout if vendor_format(file) == "dicom" else KaryoscopeError
        try:
            self._slide = openslide.OpenSlide(file)
        except openslide.OpenSlideUnsupportedFormatError as error:
            raise refusal(
                f"{self.path} cannot be read as {file.suffix.lower() or 'a slide'}: it is"
                " damaged, or the files that belong to it are not beside it"
            ) from error
        except openslide.OpenSlideError as error:
            raise refusal(f"{self.path} is a damaged slide: {reason(error)}") from error
        self._closed = False
        self._downsamples = self._slide.level_downsamples
        size = self._slide.dimensions
        self.levels = [pyramid_level(size, *level) for level in self._slide.level_dimensions]
        self._blocks: OrderedDict[tuple[int, int, int], np.ndarray] = OrderedDict()

    def _one_file(self, path: Path) -> Path:
        """The path itself, or a file of the series to read in a folder of DICOM files."""
        if not path.is_dir():
            return path
        series = series_by_openslide(sorted(path.glob("*.dcm")))
        return series[self._choose([one.scene for one in series])].files[0]

    def _recorded_scale(self) -> RecordedScale:
        properties = self._slide.properties
        x = _number(properties.get(openslide.PROPERTY_NAME_MPP_X))
        y = _number(properties.get(openslide.PROPERTY_NAME_MPP_Y))
        objective = _number(properties.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER))
        return RecordedScale((x, y) if x is not None and y is not None else None, objective)

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """Scanned part of level 0: x, y, width, height in pixels."""
        names = (
            openslide.PROPERTY_NAME_BOUNDS_X,
            openslide.PROPERTY_NAME_BOUNDS_Y,
            openslide.PROPERTY_NAME_BOUNDS_WIDTH,
            openslide.PROPERTY_NAME_BOUNDS_HEIGHT,
        )
        values = [_number(self._slide.properties.get(name)) for name in names]
        if any(value is None for value in values):
            return super().bounds
        x, y, width, height = (int(value) for value in values if value is not None)
        return x, y, min(width, self.size[0] - x), min(height, self.size[1] - y)

    def _read_level(self, level: int, x: int, y: int, width: int, height: int) -> np.ndarray:
        if float(self._downsamples[level]).is_integer():
            return self._region(level, x, y, width, height)
        # At a fractional downsample OpenSlide shifts a region by a fraction of a pixel that
        # depends on its corner; fixed blocks give a pixel one value, whatever the window.
        out = np.empty((height, width, 3), np.uint8)
        for top in range(y // _BLOCK * _BLOCK, y + height, _BLOCK):
            y0, y1 = max(top, y), min(top + _BLOCK, y + height)
            for left in range(x // _BLOCK * _BLOCK, x + width, _BLOCK):
                x0, x1 = max(left, x), min(left + _BLOCK, x + width)
                block = self._block(level, left, top)
                out[y0 - y : y1 - y, x0 - x : x1 - x] = block[
                    y0 - top : y1 - top, x0 - left : x1 - left
                ]
        return out

    def _block(self, level: int, x: int, y: int) -> np.ndarray:
        key = level, x, y
        block = self._blocks.get(key)
        if block is None:
            width = min(_BLOCK, self.levels[level].width - x)
            height = min(_BLOCK, self.levels[level].height - y)
            block = self._blocks[key] = self._region(level, x, y, width, height)
            while len(self._blocks) > _CACHED_BLOCKS:
                self._blocks.popitem(last=False)
        return block

    def _region(self, level: int, x: int, y: int, width: int, height: int) -> np.ndarray:
        downsample = self._downsamples[level]
        corner = round(x * downsample), round(y * downsample)
        try:
            region = self._slide.read_region(corner, level, (width, height))
        except openslide.OpenSlideError as error:
            self._renew()
            raise KaryoscopeError(
                f"{self.path}: damaged near x {corner[0]}, y {corner[1]}: {reason(error)}"
            ) from error
        return to_rgb(np.asarray(region))

    def _renew(self) -> None:
        """Open the file again: after an error OpenSlide refuses all that is asked of a handle.

        The old one is not closed, since another thread may be using it; it goes with its last user.
        """
        with suppress(openslide.OpenSlideError, OSError):
            self._slide = openslide.OpenSlide(self._file)

    def close(self) -> None:
        """Close the file and forget the decoded blocks."""
        if not self._closed:
            self._slide.close()
        self._closed = True
        self._blocks.clear()


def _main_file(path: Path) -> Path:
    """The path itself, or one file of a folder that holds a DICOM slide."""
    return min(path.glob("*.dcm"), default=path) if path.is_dir() else path


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
