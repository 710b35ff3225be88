"""Colours that no H&E stain has: black padding, pen ink, flat grey.

Haematoxylin and eosin both absorb green the most. Ink and padding are recognised by what they
absorb instead, so that neither counts as tissue nor enters the statistics of a stain.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from karyoscope.core.staining import NATURAL_DENSITY

#: Darker than this in every channel and nearly neutral is black: padding, a coverslip's edge, ink.
_BLACK, _BLACK_CHROMA = 64, 20
#: Neutral and below this is grey. Paler greys are kept: thin tissue is so, beside brighter glass.
_GREY, _GREY_CHROMA = 200, 8
#: Green and blue ink absorb red more than green, by more than haematoxylin ever does.
_COLD_RATIO, _COLD_DENSITY = np.float32(1.5), np.float32(0.25)
#: Dark blue ink absorbs not so much more red than green, but hardly any blue.
_BLUE_DENSITY, _BLUE_RATIO, _BLUE_CLEAR = np.float32(1.0), np.float32(1.2), np.float32(0.3)
#: Red ink absorbs green and blue alike, and nearly all of both; red blood cells absorb less, and
#: eosin, however much there is of it, more green than blue.
_RED, _RED_OTHERS, _RED_APART, _RED_RATIO = 150, 70, 30, np.float32(0.75)
#: Rows that are looked at together, so that a large image takes little memory.
_ROWS = 512
_NEIGHBOURS, _RIM = (np.ones((n, n), np.uint8) for n in (3, 5))


def foreign_pixels(rgb: np.ndarray) -> np.ndarray:
    """Mask of pixels whose colour excludes stained tissue.

    These are neutral black and grey, and ink of green, blue and red pens.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (..., 3)

    Returns
    -------
    ndarray of bool, shape (...)
        False on glass.

    Examples
    --------
    >>> colours = np.array([[0, 0, 0], [90, 90, 92], [20, 130, 70], [250, 250, 250],
    ...                     [230, 160, 200], [90, 60, 140]], np.uint8)
    >>> foreign_pixels(colours)
    array([ True,  True,  True, False, False, False])
    """
    return _by_parts(rgb, lambda flat: _neutral(flat) | _ink(flat))


def ink_pixels(rgb: np.ndarray) -> np.ndarray:
    """Mask of pixels with the ink of green, blue and red pens: the coloured foreign pixels.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (..., 3)

    Returns
    -------
    ndarray of bool, shape (...)
    """
    return _by_parts(rgb, _ink)


def neutral_pixels(rgb: np.ndarray) -> np.ndarray:
    """Mask of black and grey pixels: the foreign pixels without colour.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (..., 3)

    Returns
    -------
    ndarray of bool, shape (...)
        False on glass.
    """
    return _by_parts(rgb, _neutral)


def strokes(found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keep the wide areas of a mask, and find the pixels around them.

    Padding and strokes of pens are wide; single pixels of their colours are fringes of tissue.

    Parameters
    ----------
    found : ndarray of bool, shape (h, w)
        Foreign pixels.

    Returns
    -------
    wide : ndarray of bool, shape (h, w)
        Pixels of the mask in or near a square of 3 x 3 pixels that belongs to it.
    edge : ndarray of bool, shape (h, w)
        Other pixels within two pixels of them, which may be a mixture of both colours.
    """
    opened = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, _NEIGHBOURS)
    wide = found & cv2.dilate(opened, _RIM).astype(bool)
    edge = cv2.dilate(wide.astype(np.uint8), _RIM).astype(bool)
    return wide, edge & ~wide


def _by_parts(rgb: np.ndarray, rule: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Apply a rule of single pixels to some rows of an image after the other."""
    flat = rgb.reshape(-1, 3)
    found = np.empty(len(flat), bool)
    step = _ROWS * 4096
    for start in range(0, len(flat), step):
        found[start : start + step] = rule(flat[start : start + step])
    return found.reshape(rgb.shape[:-1])


def _neutral(flat: np.ndarray) -> np.ndarray:
    low, high = extremes(flat)
    chroma = high - low
    found = (high < _BLACK) & (chroma <= _BLACK_CHROMA)
    return np.asarray(found | (high < _GREY) & (chroma <= _GREY_CHROMA))


def extremes(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest channel of each pixel.

    NumPy's own ``min`` along an axis of three takes ten times as long.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (..., 3)

    Returns
    -------
    low, high : ndarray of uint8, shape (...)
    """
    red, green, blue = (np.ascontiguousarray(rgb[..., c]) for c in range(3))
    return (
        np.minimum(np.minimum(red, green), blue),
        np.maximum(np.maximum(red, green), blue),
    )


def _ink(flat: np.ndarray) -> np.ndarray:
    red, green, blue = (np.ascontiguousarray(flat[:, c]) for c in range(3))
    density = NATURAL_DENSITY[red]
    found = (density > _COLD_DENSITY) & (density > _COLD_RATIO * NATURAL_DENSITY[green])
    found |= (
        (density > _BLUE_DENSITY)
        & (density > _BLUE_RATIO * NATURAL_DENSITY[green])
        & (_BLUE_CLEAR * density > NATURAL_DENSITY[blue])
    )
    others = np.maximum(green, blue)
    apart = others - np.minimum(green, blue)
    found |= (
        (red > _RED)
        & (others < _RED_OTHERS)
        & (apart < _RED_APART)
        & (NATURAL_DENSITY[blue] > _RED_RATIO * NATURAL_DENSITY[green])
    )
    return np.asarray(found)


def ink_tinted(rgb: np.ndarray) -> np.ndarray:
    """Mask of pixels with a tint of pen ink; next to ink they are the rim of a stroke.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (..., 3)

    Returns
    -------
    ndarray of bool, shape (...)
    """
    red, green, blue = (NATURAL_DENSITY[rgb[..., c]] for c in range(3))
    cold = red > np.float32(1.1) * green
    warm = (blue > np.float32(0.75) * green) & (red < np.float32(0.5) * green)
    return np.asarray(cold | warm)


def flat_grey(rgb: np.ndarray) -> np.ndarray:
    """Mask of neutral pixels in an area without structure.

    Padding of any grey is so; empty glass may be, and tissue never is.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (h, w, 3)

    Returns
    -------
    ndarray of bool, shape (h, w)
    """
    channels = cv2.split(rgb)
    high, low = np.maximum.reduce(channels), np.minimum.reduce(channels)
    window = np.ones((3, 3), np.uint8)
    span = cv2.dilate(high, window) - cv2.erode(low, window)
    core = (span <= 2).astype(np.uint8)
    return np.asarray(cv2.dilate(core, window).astype(bool) & (high - low <= 2))
