"""PNG, JPEG, WebP and BMP: images without tiles, decoded whole."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from karyoscope.core.images import decode_image, image_kind
from karyoscope.slides.base import Slide
from karyoscope.slides.grid import Level
from karyoscope.slides.scale import RecordedScale


class RasterSlide(Slide):
    """A plain image, as :func:`karyoscope.core.images.decode_image` decodes it.

    Its density (dpi) is not taken for a pixel size. EXIF orientation is not applied, and named.
    """

    format: ClassVar[str] = "raster"

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        """Whether the first bytes are those of a PNG, JPEG, WebP or BMP file."""
        return image_kind(head) is not None

    def _open(self) -> None:
        assert self.path is not None
        image = decode_image(self.path)
        self._pixels, self.white_point = image.rgb, image.white
        self.remarks += image.remarks
        self.levels = [Level(self._pixels.shape[1], self._pixels.shape[0])]

    def _recorded_scale(self) -> RecordedScale:
        return RecordedScale()

    def _read_level(self, level: int, x: int, y: int, width: int, height: int) -> np.ndarray:
        return self._pixels[y : y + height, x : x + width].copy()
