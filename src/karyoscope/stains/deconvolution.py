"""Colour deconvolution (Ruifrok & Johnston 2001): from colours to amounts of stain, and back."""

from __future__ import annotations

import numpy as np

from karyoscope.core.staining import RUIFROK, natural_density, unit_rows


def stain_matrix(*stains: tuple[float, float, float]) -> np.ndarray:
    """Densities of stains, each of length 1: ndarray of float32, shape (n, 3)."""
    return unit_rows(stains).astype(np.float32)


HED = stain_matrix(*RUIFROK)


def rgb_of_density(density: np.ndarray) -> np.ndarray:
    """Undo :func:`~karyoscope.core.staining.natural_density`; what no pixel can be is cut off.

    Parameters
    ----------
    density : ndarray of float, any shape

    Returns
    -------
    ndarray of uint8, same shape
    """
    values = 256 * np.exp(-density) - 1
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def separate(rgb: np.ndarray, stains: np.ndarray = HED) -> np.ndarray:
    r"""Amounts of three stains.

    .. math:: c = d\,M^{-1}

    where row i of :math:`M` is the density of stain i and :math:`d` that of the pixel.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (..., 3)
        Pixels in red, green and blue.
    stains : ndarray of float, shape (3, 3)
        :math:`M`; haematoxylin, eosin and DAB by default.

    Returns
    -------
    ndarray of float32, shape (..., 3)
        Optical densities; negative where the stains cannot mix the colour.

    Examples
    --------
    >>> separate(np.full((1, 1, 3), 255, np.uint8)).ravel() + 0.0
    array([0., 0., 0.], dtype=float32)
    """
    return natural_density(rgb) @ np.linalg.inv(stains).astype(np.float32)


def combine(amounts: np.ndarray, stains: np.ndarray = HED) -> np.ndarray:
    r"""Colours of amounts of stain, :math:`d = c\,M`: undoes :func:`separate` exactly.

    Parameters
    ----------
    amounts : ndarray of float, shape (..., 3)
        Amount of each stain at each pixel, in optical density.
    stains : ndarray of float, shape (3, 3)
        Optical density of each stain: one row a stain.

    Returns
    -------
    ndarray of uint8, shape (..., 3)
    """
    return rgb_of_density(amounts.astype(np.float32) @ stains.astype(np.float32))
