"""From the pixel types that image files hold to 8-bit RGB over white."""

from __future__ import annotations

import numpy as np

from karyoscope.core.errors import KaryoscopeError

TWELVE_BIT = 4095


def refuse_narrow(label: str, largest: int) -> None:
    """Refuse 16-bit samples that leave the upper bits unused: their white is not known.

    A camera of 12 bits stores its white as 4095; scaled as 16 bits, such an image is black.
    """
    if largest <= TWELVE_BIT:
        raise KaryoscopeError(
            f"{label}: 16-bit samples reach {largest} only, so that white is ambiguous;"
            " convert the image to 8 bits"
        )


def to_rgb(pixels: np.ndarray, premultiplied: bool = False) -> np.ndarray:
    """Convert grey, grey with alpha, RGB or RGBA to RGB over white.

    Parameters
    ----------
    pixels : ndarray of uint8 or uint16, shape (h, w) or (h, w, 1 to 4)
        16-bit samples are scaled from 0..65535.
    premultiplied : bool
        Whether the colours are already multiplied with alpha.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3), C-contiguous
        May be ``pixels`` itself.
    """
    if pixels.dtype == np.uint16:
        pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.shape[2] in (2, 4):
        pixels = _over_white(pixels[..., :-1], pixels[..., -1:], premultiplied)
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    return np.ascontiguousarray(pixels)


def _over_white(colour: np.ndarray, alpha: np.ndarray, premultiplied: bool) -> np.ndarray:
    if alpha.min(initial=255) == 255:
        return colour
    cover = alpha.astype(np.uint16)
    scaled = colour * np.uint16(255) if premultiplied else colour * cover
    white = (255 - cover) * np.uint16(255)
    total = scaled.astype(np.uint32) + white
    return np.minimum((total + 127) // 255, 255).astype(np.uint8)
