"""From the pixel types that image files hold to 8-bit RGB: depth, alpha and orientation, once.

Slides and datasets follow the same three rules. The white of 16-bit samples is taken from samples
of the whole image; a channel is alpha only where the file declares it; pixels stay as they are
stored, whatever orientation the file asks viewers to show.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

DEPTHS = tuple(range(8, 17))
"""Bits that images stored in 16 bits may use: cameras have 8, 10, 12, 14, signed integers 15."""

FULL_16 = 65535

_HOT = 0.001
"""Share of the brightest samples that are passed over: hot pixels of a camera."""

_PIECE = 1 << 22

_TURNS = {
    2: "mirror left to right",
    3: "rotate by 180°",
    4: "mirror top to bottom",
    5: "mirror and rotate by 90°",
    6: "rotate by 90° clockwise",
    7: "mirror and rotate by 270°",
    8: "rotate by 90° counter-clockwise",
}


def white_point(parts: Iterable[np.ndarray]) -> int:
    """Find the sample value that means white in an image of 16-bit samples.

    It is the largest value of the narrowest of :data:`DEPTHS` that holds the samples, all but
    one in a thousand of those that are not 0 (padding is black). A power of two counts as the
    largest value, too, since some programs count to 32,768.

    Parameters
    ----------
    parts : iterable of ndarray of uint16
        Samples from several places of the whole image, or all of it; any shape.

    Returns
    -------
    int
        255, 511, 1023 and so on to 65535; 65535 where every sample is 0.

    Examples
    --------
    >>> white_point([np.array([0, 3000, 4080], np.uint16)])
    4095
    """
    counts = np.zeros(FULL_16 + 1, np.int64)
    for part in parts:
        flat = part.ravel()
        # In pieces, since each sample is widened to 64 bits to be counted.
        for start in range(0, len(flat), _PIECE):
            counts += np.bincount(flat[start : start + _PIECE], minlength=FULL_16 + 1)
    counts[0] = 0
    total = int(counts.sum())
    if total == 0:
        return FULL_16
    brightest = int(np.searchsorted(counts.cumsum(), total - int(total * _HOT)))
    return next((1 << bits) - 1 for bits in DEPTHS if brightest <= 1 << bits)


def depth_remark(white: int) -> str:
    """Remark on a white point below that of the data type; empty for 65535."""
    if white == FULL_16:
        return ""
    return f"its 16-bit samples use {white.bit_length()} bits; {white} is taken for white"


def alpha_remark(hidden: float) -> str:
    """Remark on an alpha channel that hides most of an image; otherwise empty.

    Parameters
    ----------
    hidden : float
        Share of the pixels that are more transparent than opaque.
    """
    if hidden <= 0.5:
        return ""
    return f"its alpha channel hides {100 * hidden:.0f} % of the image, which is white there"


def orientation_remark(value: object) -> str:
    """Remark on an orientation (TIFF and EXIF tag 274) that is not applied; otherwise empty."""
    if not isinstance(value, int) or value not in _TURNS:
        return ""
    return (
        f"its orientation tag is {value} ({_TURNS[value]} to view the image upright) and is not"
        " applied; positions and labels are those of the pixels as stored"
    )


def to_rgb(
    pixels: np.ndarray, *, white: int = FULL_16, alpha: bool = True, premultiplied: bool = False
) -> np.ndarray:
    """Convert grey, grey with alpha, RGB or RGBA to RGB over white.

    Parameters
    ----------
    pixels : ndarray of uint8 or uint16, shape (h, w) or (h, w, 1 to 4)
    white : int
        Value of 16-bit samples that becomes 255, as do those above it; 8-bit samples stay.
    alpha : bool
        Whether a second or fourth channel is alpha; it is left out otherwise.
    premultiplied : bool
        Whether the colours are already multiplied with alpha.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3), C-contiguous
        May be ``pixels`` itself.
    """
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.shape[2] in (2, 4):
        if not alpha:
            pixels = pixels[..., :-1]
        elif pixels.dtype == np.uint16:
            # Alpha fills the container, whatever the depth of the camera.
            colour = _eight_bits(pixels[..., :-1], white)
            pixels = _over_white(colour, _eight_bits(pixels[..., -1:], FULL_16), premultiplied)
        else:
            pixels = _over_white(pixels[..., :-1], pixels[..., -1:], premultiplied)
    if pixels.dtype == np.uint16:
        pixels = _eight_bits(pixels, white)
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    return np.ascontiguousarray(pixels)


def _eight_bits(pixels: np.ndarray, white: int) -> np.ndarray:
    scaled = (np.arange(FULL_16 + 1, dtype=np.uint32) * 255 + white // 2) // white
    table = np.minimum(scaled, 255).astype(np.uint8)
    return np.asarray(table[pixels])


def _over_white(colour: np.ndarray, alpha: np.ndarray, premultiplied: bool) -> np.ndarray:
    if alpha.min(initial=255) == 255:
        return colour
    cover = alpha.astype(np.uint16)
    scaled = colour * np.uint16(255) if premultiplied else colour * cover
    white = (255 - cover) * np.uint16(255)
    total = scaled.astype(np.uint32) + white
    return np.asarray(np.minimum((total + 127) // 255, 255).astype(np.uint8))
