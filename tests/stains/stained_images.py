"""Images whose stains are known."""

from __future__ import annotations

import numpy as np

from karyoscope.core.staining import EOSIN, HAEMATOXYLIN
from karyoscope.stains.deconvolution import rgb_of_density, stain_matrix


def stained(
    haematoxylin=HAEMATOXYLIN, eosin=EOSIN, strength=(1.0, 1.0), size=96, seed=0
) -> np.ndarray:
    """Round nuclei of pure haematoxylin on uneven eosin, and glass: (size, size, 3) uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    amounts = np.zeros((size, size, 2))
    amounts[..., 1] = 0.3 + 0.5 * rng.random((size, size))
    for cy, cx in rng.uniform(0, size, (size // 8, 2)):
        inside = (y - cy) ** 2 + (x - cx) ** 2 < 36
        amounts[inside] = np.stack(
            [0.6 + 0.8 * rng.random(inside.sum()), np.zeros(inside.sum())], 1
        )
    amounts[: size // 8] = 0
    density = amounts * strength @ stain_matrix(haematoxylin, eosin)
    return rgb_of_density(density)
