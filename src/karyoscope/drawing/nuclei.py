"""Nuclei drawn on pixels in the colours of their classes."""

from __future__ import annotations

import cv2
import numpy as np

from karyoscope.core.nuclei import Nuclei

# Fixed-point bits of the coordinates that OpenCV draws.
_BITS = 4
_TYPICAL_UM = 8.0
# A typical nucleus that is fewer pixels wide than this is filled, not outlined.
_OUTLINED = 7.0


def draw_nuclei(
    image: np.ndarray,
    nuclei: Nuclei,
    scale: float,
    x: float = 0.0,
    y: float = 0.0,
    first: tuple[int, int] = (0, 0),
) -> None:
    """Draw outlines, or filled nuclei where they are only a few pixels wide, in place.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3)
        RGB.
    nuclei : Nuclei
        Nuclei with outlines in pixels of level 0.
    scale : float
        Pixels of the image for one of level 0.
    x, y : float
        Corner of the image on level 0.
    first : (int, int)
        Place of the first pixel of ``image`` in the image, if it is a part.
    """
    points = (nuclei.vertices - np.array([x, y])) * scale
    width = _TYPICAL_UM / nuclei.mpp * scale
    if width < _OUTLINED:
        points = _shrunk(points, nuclei.offsets)
    # Centres of pixels have whole coordinates in OpenCV.
    fixed = np.round((points - 0.5) * 2**_BITS).astype(np.int32)
    fixed -= np.array(first, np.int32) * 2**_BITS
    rings = np.split(fixed, nuclei.offsets[1:-1])
    for class_id in np.unique(nuclei.class_id):
        color = nuclei.taxonomy.by_id(int(class_id)).color
        chosen = [rings[row] for row in np.flatnonzero(nuclei.class_id == class_id)]
        if width < _OUTLINED:
            for ring in chosen:
                cv2.fillPoly(image, [ring], color, cv2.LINE_AA, _BITS)
        else:
            thickness = _thickness(width)
            # A smoothed line of one pixel is faint; the second pass makes it as strong as others.
            for _ in range(2 if thickness == 1 else 1):
                cv2.polylines(image, chosen, True, color, thickness, cv2.LINE_AA, _BITS)


def drawn_box(
    nuclei: Nuclei, scale: float, x: float = 0.0, y: float = 0.0
) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what :func:`draw_nuclei` may change, in pixels of the image.

    Parameters
    ----------
    nuclei : Nuclei
        One or more.
    scale, x, y : float
        See :func:`draw_nuclei`.
    """
    low, high = (
        (ends - np.array([x, y])) * scale
        for ends in (nuclei.vertices.min(0), nuclei.vertices.max(0))
    )
    # Lines are smoothed over a pixel on either side, and end in half a circle.
    margin = 2 + _thickness(_TYPICAL_UM / nuclei.mpp * scale)
    return (*(low - margin).tolist(), *(high + margin).tolist())


def _thickness(width: float) -> int:
    return max(1, round(width / 16))


def _shrunk(points: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Draw vertices half a pixel towards the middle, by which OpenCV's filling exceeds them."""
    lengths = np.diff(offsets)
    centres = np.add.reduceat(points, offsets[:-1]) / lengths[:, None]
    arms = points - np.repeat(centres, lengths, 0)
    radius = np.sqrt((arms**2).sum(1, keepdims=True))
    return points - arms * np.minimum(1, 0.5 / np.maximum(radius, 1e-6))
