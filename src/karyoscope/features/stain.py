"""How much haematoxylin and eosin a nucleus took up.

Optical densities add up where stains overlap, so those of red, green and blue are a linear mixture
of those of the stains (A. C. Ruifrok and D. A. Johnston, "Quantification of histochemical staining
by color deconvolution", 2001). Being linear, the mixture may be solved after the mean is taken.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.staining import EOSIN, HAEMATOXYLIN, decadic_density, unit_rows
from karyoscope.features.base import Feature, FeatureContext, FeatureGroup, PerNucleus

COLUMNS = (
    Feature(
        "hematoxylin_od",
        "OD",
        "mean optical density of haematoxylin inside the outline",
    ),
    Feature("eosin_od", "OD", "mean optical density of eosin inside the outline"),
)

ReadGrid = Callable[[int, int, int, int], np.ndarray]
"""x, y, width and height in pixels of a grid -> (height, width, 3) uint8 RGB."""

STAIN_MPP = 0.5
"""Micrometres per pixel that stains are measured at; coarser slides are, as they are."""

_CELL = 1024


def _unmixing() -> np.ndarray:
    """From densities of red, green and blue to those of the stains: shape (3, 2).

    A third direction, at a right angle to both, takes what neither of them explains.
    """
    stains = unit_rows([HAEMATOXYLIN, EOSIN, np.cross(HAEMATOXYLIN, EOSIN)])
    return np.linalg.inv(stains)[:, :2]


_UNMIXING = _unmixing()


def stain_features(
    nuclei: Nuclei, read: ReadGrid, scale_x: float = 1.0, scale_y: float = 1.0
) -> dict[str, np.ndarray]:
    """Measure the stains inside outlines.

    Pixels are read in pieces of at most about 1024 by 1024, whatever the table spans.

    Parameters
    ----------
    nuclei : Nuclei
        Nuclei to measure.
    read : callable
        Reads the pixels of a grid, white beyond the slide.
    scale_x, scale_y : float
        Pixels of the nuclei's grid that one pixel of the read grid spans.

    Returns
    -------
    dict of str to ndarray of float32, shape (n,)
        ``hematoxylin_od`` and ``eosin_od``: optical density (negative decadic logarithm of the
        transmitted share of light, white being 255) of each stain, mean over the pixels whose
        centre is in the outline; NaN where there is none. A colour that no mixture of the two has
        can make one of them negative.
    """
    values = np.full((len(nuclei), 2), np.nan)
    nuclei = nuclei.onto(1 / scale_x, 1 / scale_y, nuclei.mpp * np.sqrt(scale_x * scale_y))
    cells = np.stack([nuclei.y // _CELL, nuclei.x // _CELL], 1).astype(np.int64)
    for cell in np.unique(cells, axis=0):
        rows = np.flatnonzero((cells == cell).all(1))
        values[rows] = _means(nuclei.take(rows), read) @ _UNMIXING
    hematoxylin, eosin = values.T.astype(np.float32)
    return {"hematoxylin_od": hematoxylin, "eosin_od": eosin}


def _means(nuclei: Nuclei, read: ReadGrid) -> np.ndarray:
    """Mean density of red, green and blue inside each outline: float64, shape (n, 3)."""
    left, top = np.floor(nuclei.vertices.min(0)).astype(int).tolist()
    right, bottom = np.ceil(nuclei.vertices.max(0)).astype(int).tolist()
    width, height = max(1, right - left), max(1, bottom - top)
    labels = nuclei.renumber(1).label_image(width, height, left, top)
    inside = np.flatnonzero(labels)
    rows = labels.ravel()[inside]
    rgb = read(left, top, width, height).reshape(-1, 3)[inside]
    count = np.bincount(rows, minlength=len(nuclei) + 1)[1:]
    sums = np.stack(
        [np.bincount(rows, decadic_density(rgb[:, k]), len(nuclei) + 1)[1:] for k in range(3)], 1
    )
    return np.where(count[:, None] > 0, sums / np.maximum(count, 1)[:, None], np.nan)


def _start(context: FeatureContext) -> PerNucleus:
    if context.pixels is None:
        raise KaryoscopeError(
            "stains are measured on the pixels of the slide: give it with --slide"
        )
    grid = context.pixels(STAIN_MPP)
    return PerNucleus(lambda nuclei: stain_features(nuclei, *grid))


STAIN = FeatureGroup("stain", "Stain", COLUMNS, _start, needs_pixels=True)
