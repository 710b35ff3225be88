"""Post-processings, which make nuclei of the maps of a network.

Each is one class in a file of its own, registered in :data:`POSTPROCESSINGS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.registry import Registry
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.postprocessing.base import PostProcessing
from karyoscope.postprocessing.contour import CONTOUR
from karyoscope.postprocessing.distance import DISTANCE
from karyoscope.postprocessing.hover import HOVER
from karyoscope.postprocessing.outlines import trace_outlines
from karyoscope.postprocessing.parameters import Parameters, TuningRange, tuning_ranges
from karyoscope.postprocessing.tabulate import nuclei_from_labels
from karyoscope.postprocessing.three_label import THREE_LABEL

POSTPROCESSINGS: Registry[PostProcessing] = Registry(
    "post-processing",
    {
        "three_label": THREE_LABEL,
        "hover": HOVER,
        "contour": CONTOUR,
        "distance": DISTANCE,
    },
    group="karyoscope.postprocessing",
    kind=PostProcessing,
)

__all__ = [
    "POSTPROCESSINGS",
    "Parameters",
    "PostProcessing",
    "TuningRange",
    "nuclei_from_labels",
    "postprocess",
    "trace_outlines",
    "tuning_ranges",
]


def postprocess(
    name: str,
    maps: Mapping[str, np.ndarray],
    params: Parameters | Mapping[str, Any] | None,
    taxonomy: Taxonomy,
    mpp: float,
) -> Nuclei:
    """Turn the maps of a network into a table of nuclei.

    Parameters
    ----------
    name : str
        A post-processing of :data:`POSTPROCESSINGS`.
    maps : mapping of str to ndarray
        Maps by standard name, float32, channels last.
    params : Parameters, mapping or None
        None means the defaults.
    taxonomy : Taxonomy
        Classes of the probabilities ``tp``; without that map nuclei are not classified.
    mpp : float
        µm per pixel of the maps.

    Returns
    -------
    Nuclei
        Positions are in pixels of the maps.

    Raises
    ------
    KaryoscopeError
        If there is no such post-processing, a map is missing or misfits, or a parameter is wrong.
    """
    method = POSTPROCESSINGS.find(name)
    params = method.validate(params)
    labels = method(maps, params, taxonomy, mpp)
    return nuclei_from_labels(labels, maps.get("tp"), taxonomy, mpp, params.class_weights)
