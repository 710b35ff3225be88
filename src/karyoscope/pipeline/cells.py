"""Cells as a table: nuclei with the outlines of the cells around them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.features.base import EXPANSION_UM
from karyoscope.features.cells import expanded_labels
from karyoscope.postprocessing import trace_outlines


def expand_nuclei(nuclei: Nuclei, distance_um: float = EXPANSION_UM) -> Nuclei:
    """Expand nuclei of an image by a distance, but not into neighbours.

    Parameters
    ----------
    nuclei : Nuclei
        Nuclei of one region, whose label image must fit into memory.
    distance_um : float
        Distance in µm, as in QuPath's cell detection.

    Returns
    -------
    Nuclei
        The same rows; outlines and ``area_um2`` are those of the cells, which do not overlap.
        Nuclei that others cover completely are left out.

    Examples
    --------
    >>> cells = expand_nuclei(nuclei, 5)  # doctest: +SKIP
    """
    if not len(nuclei):
        return nuclei
    margin = int(np.ceil(distance_um / nuclei.mpp)) + 1
    left, top = np.floor(nuclei.vertices.min(0)).astype(int) - margin
    right, bottom = np.ceil(nuclei.vertices.max(0)).astype(int) + margin
    numbered = nuclei.renumber()
    labels = numbered.label_image(right - left, bottom - top, left, top)
    cells = expanded_labels(labels, distance_um / nuclei.mpp)
    kept, flat = np.unique(cells, return_inverse=True)
    dense = flat.reshape(cells.shape).astype(np.int32) + int(kept[0] != 0)
    vertices, offsets = trace_outlines(dense)
    rows = kept[kept > 0].astype(np.int64) - 1
    areas = np.bincount(dense.ravel())[1:] * nuclei.mpp**2
    return replace(
        nuclei.take(rows),
        area_um2=areas.astype(np.float32),
        vertices=vertices + np.array([left, top], np.float32),
        offsets=offsets,
    )
