"""Three labels: interior, boundary, background (Rumberger et al. 2022, sections II.C and II.G).

Pixels whose interior and boundary probabilities together pass a threshold are nucleus; regions
whose interior probability passes another are seeds; a watershed on 1 - P(interior) grows the
seeds over the nuclear pixels. Regions without a seed are dropped. The centre vectors that such a
network is trained with are not used at test time.

Each nucleus grows from one connected seed by connected steps, so the paper's splitting of distant
parts of one instance has nothing left to do here. The thresholds of a pixel are those of its most
probable class, background left out, which is our reading of "per-class seeds".

Nothing depends on the extent of the maps: a nucleus comes out the same from any crop that holds
it and the nuclei it touches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.kernels import njit
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.postprocessing.base import PostProcessing
from karyoscope.postprocessing.flooding import watershed
from karyoscope.postprocessing.labelling import fill_holes, label_larger
from karyoscope.postprocessing.parameters import (
    MinArea,
    NonNegative,
    Parameters,
    Share,
    TuningRange,
    per_class,
)
from karyoscope.postprocessing.tabulate import class_stride


class ThreeLabelParameters(Parameters):
    """Parameters of :func:`segment`.

    Attributes
    ----------
    foreground : float or {class: float}
        Least P(interior) + P(boundary) of a nuclear pixel.
    seed : float or {class: float}
        Least P(interior) of a pixel of a seed.
    min_seed_um2 : float
        Smaller seeds are left out; µm².
    """

    foreground: Annotated[
        Share | dict[str, Share],
        TuningRange((0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6), by_class=(0.3, 0.4, 0.5, 0.6, 0.7)),
    ] = 0.5
    seed: Annotated[
        Share | dict[str, Share],
        TuningRange((0.3, 0.4, 0.5, 0.6, 0.7), by_class=(0.3, 0.4, 0.5, 0.6, 0.7)),
    ] = 0.5
    min_seed_um2: NonNegative = 1.0
    min_area_um2: MinArea = 4.0


def segment(
    maps: Mapping[str, np.ndarray], params: ThreeLabelParameters, taxonomy: Taxonomy, mpp: float
) -> np.ndarray:
    """Segment nuclei from interior and boundary probabilities.

    Parameters
    ----------
    maps : mapping
        ``inside`` and ``boundary``, float32 (h, w); ``tp``, float32 (h', w', k + 1), where a
        threshold differs between classes.
    params : ThreeLabelParameters
        Thresholds.
    taxonomy : Taxonomy
        Classes of thresholds that differ between classes.
    mpp : float
        µm per pixel of the maps.

    Returns
    -------
    ndarray of int32, shape (h, w)
        Connected labels without holes.

    Raises
    ------
    KaryoscopeError
        If a threshold differs between classes and there is no map ``tp``.
    """
    inside = np.ascontiguousarray(maps["inside"], np.float32)
    boundary = np.ascontiguousarray(maps["boundary"], np.float32)
    foreground = per_class(params.foreground, taxonomy, "foreground")
    seed = per_class(params.seed, taxonomy, "seed")
    best, stride = np.zeros((1, 1), np.uint8), max(inside.shape)
    if isinstance(params.foreground, dict) or isinstance(params.seed, dict):
        tp = maps.get("tp")
        if tp is None:
            raise KaryoscopeError("thresholds that differ between classes need the map 'tp'")
        stride = class_stride(tp, inside.shape, taxonomy)
        best = (np.asarray(tp, np.float32)[..., 1:].argmax(-1) + 1).astype(np.uint8)
    column = np.arange(inside.shape[1]) // stride
    mask, seeds = above_thresholds(
        inside, boundary, best, column, stride, np.float32(foreground), np.float32(seed)
    )
    labels = label_larger(seeds, max(1, round(params.min_seed_um2 / mpp**2)))
    watershed(labels, inside, mask)
    fill_holes(labels)
    return labels


@njit
def above_thresholds(inside, boundary, best, column, stride, foreground, seed):
    """Masks of the nuclear pixels and of the seeds among them: uint8, shape (h, w)."""
    height, width = inside.shape
    mask = np.empty((height, width), np.uint8)
    seeds = np.empty((height, width), np.uint8)
    for y in range(height):
        line = best[y // stride]
        for x in range(width):
            c = line[column[x]]
            nuclear = inside[y, x] + boundary[y, x] >= foreground[c]
            mask[y, x] = nuclear
            seeds[y, x] = nuclear and inside[y, x] >= seed[c]
    return mask, seeds


THREE_LABEL = PostProcessing("three_label", ("inside", "boundary"), ThreeLabelParameters, segment)
