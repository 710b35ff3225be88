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
    image: np.ndarray, nuclei: Nuclei, scale: float, x: float = 0.0, y: float = 0.0
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
    """
    points = (nuclei.vertices - np.array([x, y])) * scale
    width = _TYPICAL_UM / nuclei.mpp * scale
    if width < _OUTLINED:
        points = _shrunk(points, nuclei.offsets)
    # Centres of pixels have whole coordinates in OpenCV.
    fixed = np.round((points - 0.5) * 2**_BITS).astype(np.int32)
    rings = np.split(fixed, nuclei.offsets[1:-1])
    for class_id in np.unique(nuclei.class_id):
        color = nuclei.taxonomy.by_id(int(class_id)).color
        chosen = [rings[row] for row in np.flatnonzero(nuclei.class_id == class_id)]
        if width < _OUTLINED:
            for ring in chosen:
                cv2.fillPoly(image, [ring], color, cv2.LINE_AA, _BITS)
        else:
            thickness = max(1, round(width / 16))
            # A smoothed line of one pixel is faint; the second pass makes it as strong as others.
            for _ in range(2 if thickness == 1 else 1):
                cv2.polylines(image, chosen, True, color, thickness, cv2.LINE_AA, _BITS)


def _shrunk(points: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Draw vertices half a pixel towards the middle, by which OpenCV's filling exceeds them."""
    lengths = np.diff(offsets)
    centres = np.add.reduceat(points, offsets[:-1]) / lengths[:, None]
    arms = points - np.repeat(centres, lengths, 0)
    radius = np.sqrt((arms**2).sum(1, keepdims=True))
    return points - arms * np.minimum(1, 0.5 / np.maximum(radius, 1e-6))
