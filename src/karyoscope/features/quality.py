"""Which faults of the slide a nucleus lies in."""

from __future__ import annotations

import numpy as np

from karyoscope.core.faults import KINDS
from karyoscope.core.nuclei import Nuclei
from karyoscope.features.base import Feature, FeatureContext, FeatureGroup, PerNucleus

COLUMNS = tuple(
    Feature(f"in_{kind.name}", "", f"1 if the centroid lies in a cell of 32 µm with {kind.name}")
    for kind in KINDS.values()
)


def _start(context: FeatureContext) -> PerNucleus:
    def flags(nuclei: Nuclei) -> dict[str, np.ndarray]:
        if context.faults is None:
            return {c.name: np.full(len(nuclei), np.nan, np.float32) for c in COLUMNS}
        found = context.faults(nuclei.x, nuclei.y)
        return {f"in_{name}": found[name].astype(np.float32) for name in KINDS}

    return PerNucleus(flags)


QUALITY = FeatureGroup("quality", "Quality control", COLUMNS, _start, needs_pixels=True)
"""Flags of the faults of :mod:`karyoscope.slides.quality`; NaN where they are not known."""
