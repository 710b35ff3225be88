"""Which pixels are stained tissue, for statistics of colour."""

from __future__ import annotations

import numpy as np

from karyoscope.core.foreign import foreign_pixels
from karyoscope.core.staining import natural_density

#: Least optical density, base 10: beta of Macenko et al. 2009.
LEAST_DENSITY = 0.15
#: Fewer pixels than this say nothing about a slide.
LEAST_PIXELS = 100


def tissue_pixels(pixels: np.ndarray) -> np.ndarray:
    """Pixels whose density, as the length of its vector, is at least 0.15 (base 10).

    Black padding, flat grey and the ink of pens are dense too, but no stain: they are left out.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (..., 3)
        Pixels in red, green and blue.

    Returns
    -------
    ndarray of uint8, shape (n, 3)
    """
    flat = pixels.reshape(-1, 3)
    return flat[(tissue_share(flat) >= 1) & ~foreign_pixels(flat)]


def tissue_share(rgb: np.ndarray) -> np.ndarray:
    """Density of pixels as a multiple of the least that tissue has, at most 1.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (..., 3)

    Returns
    -------
    ndarray of float32, shape (...)
    """
    length = np.linalg.norm(natural_density(rgb), axis=-1)
    return np.minimum(length / np.float32(LEAST_DENSITY * np.log(10)), 1)
