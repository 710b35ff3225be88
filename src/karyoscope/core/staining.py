"""Colours of the stains and optical densities: the numbers that colour deconvolution rests on."""

from __future__ import annotations

import numpy as np

HAEMATOXYLIN = (0.65, 0.70, 0.29)
EOSIN = (0.07, 0.99, 0.11)
DAB = (0.27, 0.57, 0.78)
#: Optical densities in red, green and blue of the three stains (A. C. Ruifrok and D. A. Johnston,
#: "Quantification of histochemical staining by color deconvolution", 2001), not of length 1.
RUIFROK = (HAEMATOXYLIN, EOSIN, DAB)

_LEVELS = np.arange(256)
#: Of each grey level; see :func:`natural_density`.
NATURAL_DENSITY: np.ndarray = -np.log((_LEVELS.astype(np.float32) + 1) / 256)
#: Of each grey level; see :func:`decadic_density`.
DECADIC_DENSITY: np.ndarray = -np.log10(np.maximum(_LEVELS, 0.5) / 255)


def unit_rows(rows: object) -> np.ndarray:
    """Vectors brought to length 1.

    Parameters
    ----------
    rows : array_like, shape (n, 3)

    Returns
    -------
    ndarray of float64, shape (n, 3)
    """
    vectors = np.asarray(rows, np.float64)
    of_length_1: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return of_length_1


def natural_density(rgb: np.ndarray) -> np.ndarray:
    r"""Optical density for changing colours: natural logarithm, defined for every pixel.

    .. math:: d = -\ln \frac{v + 1}{256}

    One is added so that black has a density too (5.5); white has 0. It is undone exactly, so that
    images can be taken apart into stains and joined again. The recipes' colour changes and the
    staining loss compute the same on batches.

    Parameters
    ----------
    rgb : ndarray of uint8, any shape

    Returns
    -------
    ndarray of float32, same shape
    """
    return np.asarray(NATURAL_DENSITY[rgb])


def decadic_density(rgb: np.ndarray) -> np.ndarray:
    r"""Optical density for measuring: decadic logarithm, as pathology reports it.

    .. math:: d = -\log_{10} \frac{\max(v, 1/2)}{255}

    The density of a value of 0 is not known; it is taken for half a step above.

    Parameters
    ----------
    rgb : ndarray of uint8, any shape

    Returns
    -------
    ndarray of float64, same shape
    """
    return np.asarray(DECADIC_DENSITY[rgb])
