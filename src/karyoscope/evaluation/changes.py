"""Changes of an image that leave its nuclei what and where they are, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from karyoscope.stains import combine, separate

Pixels = Callable[[np.ndarray], np.ndarray]


def _as_it_is(values: np.ndarray) -> np.ndarray:
    return values


@dataclass(frozen=True)
class Change:
    """A transformation of an image, and the inverse of its transformation of coordinates.

    Attributes
    ----------
    name : str
        Unique among the changes that are applied together.
    group : str
        Changes of one kind, which are reported together.
    pixels : callable
        Image (h, w, 3) of uint8 -> changed image; the two lengths may be exchanged.
    back : callable
        Label map of the changed image -> label map of the window it was made of.
    shift : int
        Pixels by which the window is moved right and down in the larger image, before the rest.
    """

    name: str
    group: str
    pixels: Pixels = _as_it_is
    back: Pixels = _as_it_is
    shift: int = 0

    def window(self, image: np.ndarray, margin: int) -> np.ndarray:
        """Changed window of an image that is larger by some pixels on every side.

        Parameters
        ----------
        image : ndarray of uint8, shape (h + 2 margin, w + 2 margin, 3)
        margin : int
            Pixels on every side, at least the length of the shift: no pixel is ever made up.

        Returns
        -------
        ndarray of uint8, shape (h, w, 3) or (w, h, 3)
        """
        first = margin + self.shift
        rows, columns = (slice(first, edge - 2 * margin + first) for edge in image.shape[:2])
        return np.ascontiguousarray(self.pixels(image[rows, columns]))

    def align(self, before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Label maps of the window and of the changed one, on the area that both show.

        Parameters
        ----------
        before : ndarray of int, shape (h, w)
            Label map of the window as it is.
        after : ndarray of int, shape (h, w) or (w, h)
            Label map of the changed window.

        Returns
        -------
        before, after : ndarray of int, shape (h - shift, w - shift)
            The same pixel of the tissue at the same place in both.
        """
        after = self.back(after)
        late, early = slice(abs(self.shift), None), slice(0, None)
        if self.shift:
            early = slice(0, -abs(self.shift))
        ours, theirs = (late, early) if self.shift >= 0 else (early, late)
        return before[ours, ours], after[theirs, theirs]


def _turn(quarters: int) -> Change:
    return Change(
        f"turn {90 * quarters}",
        "turns",
        partial(np.rot90, k=quarters),
        partial(np.rot90, k=-quarters),
    )


def _flip(name: str, axis: int) -> Change:
    flip = partial(np.flip, axis=axis)
    return Change(f"flip {name}", "flips", flip, flip)


def scale_brightness(rgb: np.ndarray, factor: float) -> np.ndarray:
    """Multiply all values, rounded and cut off at 255; uint8 as before."""
    return np.clip(np.rint(rgb * np.float32(factor)), 0, 255).astype(np.uint8)


def scale_stains(rgb: np.ndarray, haematoxylin: float = 1.0, eosin: float = 1.0) -> np.ndarray:
    """Multiply the optical densities of haematoxylin and eosin; the residual is not changed.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (h, w, 3)
    haematoxylin, eosin : float
        Factors of the amounts, by the colours of Ruifrok & Johnston (2001).

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)

    Examples
    --------
    >>> scale_stains(np.array([[[120, 60, 150]]], np.uint8), haematoxylin=1.1).tolist()
    [[[112, 56, 146]]]
    """
    return combine(separate(rgb) * np.array([haematoxylin, eosin, 1.0], np.float32))


def compress(rgb: np.ndarray, quality: int) -> np.ndarray:
    """Write as JPEG of this quality (chroma at half the resolution) and read again."""
    _, data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    read = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert read is not None
    return np.ascontiguousarray(read[..., ::-1])


CHANGES: tuple[Change, ...] = (
    *(_turn(quarters) for quarters in (1, 2, 3)),
    _flip("left-right", 1),
    _flip("up-down", 0),
    *(Change(f"shift {n} px", f"shift {n} px", shift=n) for n in (1, 2, 3)),
    Change("brightness +10 %", "brightness", partial(scale_brightness, factor=1.1)),
    Change("brightness -10 %", "brightness", partial(scale_brightness, factor=0.9)),
    Change("haematoxylin +10 %", "stain", partial(scale_stains, haematoxylin=1.1)),
    Change("haematoxylin -10 %", "stain", partial(scale_stains, haematoxylin=0.9)),
    Change("eosin +10 %", "stain", partial(scale_stains, eosin=1.1)),
    Change("eosin -10 %", "stain", partial(scale_stains, eosin=0.9)),
    Change("JPEG 70", "JPEG 70", partial(compress, quality=70)),
)
"""Turns, flips, shifts, light, stain and compression."""
