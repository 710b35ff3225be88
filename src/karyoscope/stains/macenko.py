"""Stains estimated from the slide itself (Macenko et al., ISBI 2009)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.staining import natural_density
from karyoscope.stains.base import Normaliser, Recolour
from karyoscope.stains.deconvolution import rgb_of_density
from karyoscope.stains.tissue import LEAST_PIXELS, tissue_pixels

#: Percentile of the angles at each end that is left to outliers: alpha of the paper.
_OUTLIERS = 1.0
#: Percentile of an amount that stands for its largest.
_TOP = 99.0
#: Stains whose densities point less than this apart, degrees, are one stain.
_LEAST_ANGLE = 3.0


@dataclass(frozen=True)
class Stains:
    """Haematoxylin and eosin of one slide.

    Attributes
    ----------
    vectors : ndarray of float64, shape (3, 3)
        Densities of haematoxylin, of eosin, and of what neither explains (at right angles to
        both), each of length 1.
    top : ndarray of float64, shape (2,)
        99th percentile of the amounts of haematoxylin and of eosin.
    """

    vectors: np.ndarray
    top: np.ndarray


def estimate_stains(pixels: np.ndarray) -> Stains | None:
    """Estimate the two stains of H&E.

    The densities of tissue are projected on the plane of their two largest singular directions;
    there the stains are the directions at the 1st and 99th percentile of the angle (steps 1 to 6
    of the paper's algorithm). Of the two, haematoxylin absorbs more red.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (n, 3)
        Pixels of tissue.

    Returns
    -------
    Stains or None
        None where there is too little tissue, or no two stains in it.
    """
    density = natural_density(tissue_pixels(pixels)).astype(np.float64)
    if len(density) < LEAST_PIXELS:
        return None
    # Right singular vectors of the densities, largest first; the first is near their mean.
    _, directions = np.linalg.eigh(density.T @ density)
    plane = directions[:, :0:-1]
    plane = plane * np.where(plane.sum(0) < 0, -1, 1)
    angles = np.arctan2(*(density @ plane).T[::-1])
    ends = np.percentile(angles, [_OUTLIERS, 100 - _OUTLIERS])
    if np.degrees(ends[1] - ends[0]) < _LEAST_ANGLE:
        return None
    pair = np.stack([np.cos(ends), np.sin(ends)], 1) @ plane.T
    pair = pair[np.argsort(-pair[:, 0])]
    rest = np.cross(*pair)
    vectors = np.stack([*pair, rest / np.linalg.norm(rest)])
    top = np.percentile(density @ np.linalg.inv(vectors)[:, :2], _TOP, axis=0)
    return Stains(vectors, top) if (top > 0).all() else None


class Macenko(Normaliser):
    """Colours of the target's stains, amounts scaled to the target's 99th percentiles.

    What neither stain explains (pigment, ink) is kept; the paper leaves it out. So a slide that
    is normalised to itself stays as it is.

    Parameters
    ----------
    target : ndarray of uint8, shape (n, 3)

    Raises
    ------
    KaryoscopeError
        If the target shows no two stains.
    """

    name = "macenko"
    targeted = True

    def __init__(self, target: np.ndarray) -> None:
        found = estimate_stains(target)
        if found is None:
            raise KaryoscopeError(
                "the target image shows no two stains; use one with haematoxylin and eosin"
            )
        self._target = found

    def fit(self, pixels: np.ndarray) -> LinearInDensity:
        """Measure a slide; see :meth:`Normaliser.fit`."""
        target = self._target
        source = estimate_stains(pixels) or target
        gains = np.diag([*(target.top / source.top), 1.0])
        return LinearInDensity(np.linalg.inv(source.vectors) @ gains @ target.vectors)

    def describe(self) -> dict[str, Any]:
        """Stains of the target."""
        return {
            "haematoxylin": self._target.vectors[0].round(6).tolist(),
            "eosin": self._target.vectors[1].round(6).tolist(),
            "top": self._target.top.round(6).tolist(),
        }


class LinearInDensity(Recolour):
    """Optical densities times a matrix; white stays white.

    Parameters
    ----------
    matrix : ndarray of float, shape (3, 3)
        Applied to densities as rows.
    """

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = matrix.astype(np.float32)

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Change an image; see :meth:`Recolour.__call__`."""
        return rgb_of_density(natural_density(rgb) @ self.matrix)
