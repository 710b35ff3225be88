"""PNG, JPEG, WebP and BMP decoded whole: one decoder for slides and datasets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import BmpImagePlugin, ImageFile, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.pixels import (
    alpha_remark,
    depth_remark,
    orientation_remark,
    to_rgb,
    white_point,
)

LARGEST_IMAGE = 300_000_000
"""Pixels that are decoded at once, at most (about 2 GB while decoding)."""

LONGEST_EDGE = 500_000
"""Pixels along an edge, at most: decoders keep a record of each row."""

_MAGIC = {
    "PNG": b"\x89PNG\r\n\x1a\n",
    "JPEG": b"\xff\xd8\xff",
    "BMP": b"BM",
    "WebP": b"RIFF",
}

# The plugins themselves, not Image.open: its limit on pixels is a setting of the whole process.
_DECODERS: dict[str, type[ImageFile.ImageFile]] = {
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
}
_REFUSED = {"1": "1 bit per pixel", "I": "32-bit samples", "F": "32-bit samples"}


@dataclass(frozen=True)
class DecodedImage:
    """The pixels of an image file as stored.

    Attributes
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
        Over white where the file is transparent.
    white : int
        Value of the file's samples that became 255: 255 for 8 bits.
    remarks : tuple of str
        Warnings for the reader of a result, each without the name of the file.
    """

    rgb: np.ndarray
    white: int = 255
    remarks: tuple[str, ...] = ()


def image_kind(head: bytes) -> str | None:
    """``"PNG"``, ``"JPEG"``, ``"BMP"`` or ``"WebP"`` by the first bytes of a file, else None."""
    for kind, magic in _MAGIC.items():
        if head.startswith(magic) and (kind != "WebP" or head[8:12] == b"WEBP"):
            return kind
    return None


def decode_image(path: Path) -> DecodedImage:
    """Decode a PNG, JPEG, WebP or BMP file.

    Palettes are resolved, transparency is laid over white, grey becomes RGB, CMYK is converted,
    16-bit samples are scaled to 8 by their white point. EXIF orientation is not applied.

    Raises
    ------
    KaryoscopeError
        If it is damaged, too large, or of samples that are neither 8 nor 16 bits.
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(32)
        kind = image_kind(head)
        if kind is None:
            raise KaryoscopeError(f"{path} is no PNG, JPEG, WebP or BMP file")
        file.seek(0)
        try:
            with _DECODERS[kind](file) as image:
                _refuse_large(path, image)
                if kind == "PNG" and head[24] == 16 and not image.mode.startswith("I;16"):
                    # Pillow keeps the upper bits alone, in which 12 bits are almost black.
                    file.seek(0)
                    # Only here: a machine that trains on a packed set may lack it.
                    import imagecodecs

                    return _sixteen(imagecodecs.png_decode(file.read()), _orientation(image))
                return _decode(path, image)
        except KaryoscopeError:
            raise
        except MemoryError as error:
            raise KaryoscopeError(f"{path}: not enough memory to decode it") from error
        except Exception as error:  # the decoders raise many kinds for a damaged file
            line = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
            raise KaryoscopeError(
                f"{path} is a damaged or truncated {kind} file: {line}"
            ) from error


def refuse_large_image(path: Path) -> None:
    """Refuse an image file by the size that it states, before it is decoded.

    Other files, and damaged ones, pass: whoever decodes them will say so.

    Raises
    ------
    KaryoscopeError
        If it states more pixels than :data:`LARGEST_IMAGE`, or a longer edge than
        :data:`LONGEST_EDGE`.
    """
    try:
        with path.open("rb") as file:
            kind = image_kind(file.read(32))
            file.seek(0)
            if kind is None:
                return
            with _DECODERS[kind](file) as image:
                width, height = image.size
    except Exception:  # the decoders raise many kinds for a damaged file
        return
    _refuse_size(path, width, height)


def _refuse_large(path: Path, image: ImageFile.ImageFile) -> None:
    _refuse_size(path, *image.size)
    if image.mode in _REFUSED:
        raise KaryoscopeError(
            f"{path}: {_REFUSED[image.mode]}; only 8 and 16 bits per sample are read"
        )


def _refuse_size(path: Path, width: int, height: int) -> None:
    if width * height > LARGEST_IMAGE or max(width, height) > LONGEST_EDGE:
        raise KaryoscopeError(
            f"{path}: {width} x {height} pixels are too many for an image without tiles;"
            " convert it to a tiled TIFF"
        )


def _decode(path: Path, image: ImageFile.ImageFile) -> DecodedImage:
    image.load()
    orientation = _orientation(image)
    frames = getattr(image, "n_frames", 1)
    several = f"it holds {frames} frames; the first is read" if frames > 1 else ""
    if image.mode.startswith("I;16"):
        return _sixteen(np.asarray(image).astype(np.uint16, copy=False), orientation)
    if "transparency" in image.info or image.mode in ("LA", "PA", "La", "RGBa"):
        pixels = np.asarray(image.convert("RGBA"))
    elif image.mode not in ("L", "RGB", "RGBA"):
        pixels = np.asarray(image.convert("RGB"))
    else:
        pixels = np.asarray(image)
    remarks = several, orientation, alpha_remark(_hidden(pixels))
    return DecodedImage(to_rgb(pixels), 255, tuple(filter(None, remarks)))


def _sixteen(pixels: np.ndarray, orientation: str) -> DecodedImage:
    colours = pixels if pixels.ndim == 2 or pixels.shape[2] in (1, 3) else pixels[..., :-1]
    white = white_point([colours])
    remarks = depth_remark(white), orientation, alpha_remark(_hidden(pixels))
    return DecodedImage(to_rgb(pixels, white=white), white, tuple(filter(None, remarks)))


def _hidden(pixels: np.ndarray) -> float:
    """Share of the pixels that alpha hides."""
    if pixels.ndim == 2 or pixels.shape[2] not in (2, 4):
        return 0.0
    return float((pixels[..., -1] <= np.iinfo(pixels.dtype).max // 2).mean())


def _orientation(image: ImageFile.ImageFile) -> str:
    try:
        return orientation_remark(image.getexif().get(274))
    except Exception:  # damaged EXIF data raise many kinds, and cost no pixel
        return ""
