"""Density maps: the nuclei of a class per mm², in colour over a pale picture of the slide."""

from __future__ import annotations

import cv2
import numpy as np

#: From few to many: pale yellow, orange, dark red.
RAMP = ((255, 245, 190), (254, 217, 118), (253, 141, 60), (227, 26, 28), (128, 0, 38))


def paint_density(
    density: np.ndarray, ground: np.ndarray, bin_um: float, extent_um: tuple[float, float]
) -> np.ndarray:
    """Lay a density over a picture of the whole slide.

    Parameters
    ----------
    density : ndarray of float32, shape (rows, columns)
        Nuclei per mm² in square bins; the greatest has the last colour of the ramp.
    ground : ndarray of uint8, shape (h, w, 3)
        Picture of the whole slide, RGB; it is made pale.
    bin_um : float
        Edge of a bin in µm.
    extent_um : tuple of float
        Width and height of the slide in µm; the last bins may reach beyond it.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
        RGB. Where there are no nuclei at all, the pale picture.
    """
    pale = _pale(ground)
    most = float(density.max(initial=0))
    if most <= 0:
        return pale
    height, width = pale.shape[:2]
    reach = np.array(density.shape[::-1]) * bin_um / np.array(extent_um)
    shape = np.ceil(reach * [width, height]).astype(int).tolist()
    level = cv2.resize(density / most, shape, interpolation=cv2.INTER_LINEAR)
    level = np.clip(level[:height, :width], 0, 1)
    stops = np.linspace(0, 1, len(RAMP))
    color = np.stack([np.interp(level, stops, channel) for channel in zip(*RAMP, strict=True)])
    cover = 0.85 * np.clip(level / 0.25, 0, 1)[..., None]
    mixed: np.ndarray = pale * (1 - cover) + np.moveaxis(color, 0, -1) * cover
    return mixed.astype(np.uint8)


def _pale(picture: np.ndarray) -> np.ndarray:
    """The same picture in light grey, as a ground for colours."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.repeat((120 + 0.53 * grey).astype(np.uint8)[..., None], 3, 2)
