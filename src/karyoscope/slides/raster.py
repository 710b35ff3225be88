"""PNG, JPEG, WebP and BMP: images without tiles, decoded whole."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import BmpImagePlugin, ImageFile, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from karyoscope.core.errors import KaryoscopeError
from karyoscope.slides._pixels import refuse_narrow, to_rgb
from karyoscope.slides._sniff import raster_kind, reason
from karyoscope.slides.base import Slide
from karyoscope.slides.grid import Level
from karyoscope.slides.scale import RecordedScale

LARGEST_IMAGE = 300_000_000
"""Pixels that are decoded at once, at most (about 2 GB while decoding)."""

# The plugins themselves, not Image.open: its limit on pixels is a setting of the whole process.
_DECODERS: dict[str, type[ImageFile.ImageFile]] = {
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
}
_REFUSED = {"1": "1 bit per pixel", "I": "32-bit samples", "F": "32-bit samples"}


class RasterSlide(Slide):
    """A plain image. Its density (dpi) is not taken for a pixel size; EXIF rotation is ignored.

    Palettes are resolved, transparency is laid over white, grey becomes RGB, CMYK is converted,
    16-bit samples are scaled to 8.
    """

    format: ClassVar[str] = "raster"

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        """By the first bytes, whatever the suffix."""
        return raster_kind(head) is not None

    def _open(self) -> None:
        assert self.path is not None
        with self.path.open("rb") as file:
            kind = raster_kind(file.read(16)) or "PNG"
            file.seek(0)
            try:
                with _DECODERS[kind](file) as image:
                    self._pixels = self._decode(image)
            except KaryoscopeError:
                raise
            except MemoryError as error:
                raise KaryoscopeError(f"{self.path}: not enough memory to decode it") from error
            except Exception as error:  # the decoders raise many kinds for a damaged file
                raise KaryoscopeError(
                    f"{self.path} is a damaged or truncated {kind} file: {reason(error)}"
                ) from error
        self.levels = [Level(self._pixels.shape[1], self._pixels.shape[0])]

    def _decode(self, image: ImageFile.ImageFile) -> np.ndarray:
        width, height = image.size
        if width * height > LARGEST_IMAGE:
            raise KaryoscopeError(
                f"{self.path}: {width} x {height} pixels are too many for an image without tiles;"
                " convert it to a tiled TIFF"
            )
        if image.mode in _REFUSED:
            raise KaryoscopeError(
                f"{self.path}: {_REFUSED[image.mode]}; only 8 and 16 bits per sample are read"
            )
        if image.mode.startswith("I;16"):
            grey = np.asarray(image).astype(np.uint16, copy=False)
            refuse_narrow(str(self.path), int(grey.max(initial=0)))
            return to_rgb(grey)
        if "transparency" in image.info or image.mode in ("LA", "PA", "La", "RGBa"):
            return to_rgb(np.asarray(image.convert("RGBA")))
        if image.mode not in ("L", "RGB", "RGBA"):
            return to_rgb(np.asarray(image.convert("RGB")))
        return to_rgb(np.asarray(image))

    def _recorded_scale(self) -> RecordedScale:
        return RecordedScale()

    def _read_level(self, level: int, x: int, y: int, width: int, height: int) -> np.ndarray:
        return self._pixels[y : y + height, x : x + width].copy()
