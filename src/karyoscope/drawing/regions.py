"""Annotations drawn on pixels: their outlines, and their names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from karyoscope.core.regions import DEFAULT_COLOR, Region
from karyoscope.core.text import for_terminal
from karyoscope.drawing.text import BOLD, fit_text, put_text, text_width

_BITS = 4
_WHITE = (255, 255, 255)
#: Names of more regions than this would hide what lies under them.
_MOST_NAMES = 60


def draw_rings(
    image: np.ndarray,
    rings: Iterable[np.ndarray],
    scale: float,
    corner: tuple[float, float],
    color: tuple[int, int, int] = DEFAULT_COLOR,
) -> None:
    """Draw closed lines with a white rim, in place.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3)
        RGB.
    rings : iterable of ndarray of float, shape (n, 2)
        x and y in pixels of level 0.
    scale : float
        Pixels of the image for one of level 0.
    corner : (float, float)
        Corner of the image on level 0.
    color : (int, int, int)
        Red, green and blue of the line.
    """
    # OpenCV takes centres of pixels as whole numbers, and coordinates of 32 bits.
    reach = 2.0**26
    fixed = [
        np.round(np.clip(((r - corner) * scale - 0.5) * 2**_BITS, -reach, reach)).astype(np.int32)
        for r in rings
    ]
    thin = max(2, round(max(image.shape[:2]) / 700))
    for width, shade in ((thin + 2 * max(1, thin // 2), _WHITE), (thin, color)):
        cv2.polylines(image, fixed, True, shade, width, cv2.LINE_AA, _BITS)


def draw_regions(
    image: np.ndarray,
    regions: Sequence[Region],
    scale: float,
    corner: tuple[float, float],
    size: int,
) -> None:
    """Outline regions in the colours that they were drawn in, and name them, in place.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3)
        RGB.
    regions : sequence of Region
        Regions to draw; those that lie beyond the image are left out.
    scale, corner : float, (float, float)
        Scale and corner, as in :func:`draw_rings`.
    size : int
        Height of the names in pixels; without names where it is 0 or there are more than 60.
    """
    height, width = image.shape[:2]
    shown = []
    for region in regions:
        left, top, right, bottom = (
            (n - c) * scale for n, c in zip(region.geometry.bounds, (*corner, *corner), strict=True)
        )
        if left < width and top < height and right > 0 and bottom > 0:
            shown.append((region, (left, top)))
    for region, _ in shown:
        draw_rings(image, region.rings(), scale, corner, region.color)
    if size and len(shown) <= _MOST_NAMES:
        for region, place in shown:
            _draw_name(image, region, place, size)


def _draw_name(image: np.ndarray, region: Region, place: tuple[float, float], size: int) -> None:
    """Write a name on white, above the corner of its region or as near as there is room."""
    height, width = image.shape[:2]
    pad = max(2, size // 4)
    tall = size + 2 * pad
    if height < tall or width < 4 * size:
        return
    name = fit_text(for_terminal(region.name), min(width - 2 * pad, 16 * size), size, BOLD)
    wide = text_width(name, size, BOLD) + 2 * pad
    x = int(np.clip(place[0], 0, max(0, width - wide)))
    y = int(np.clip(place[1] - tall, 0, height - tall))
    image[y : y + tall, x : x + wide] = _WHITE
    cv2.rectangle(image, (x, y), (min(x + wide, width) - 1, y + tall - 1), region.color, 1)
    put_text(image, name, (x + pad, y + tall - pad - size // 6), size, region.color, BOLD)
