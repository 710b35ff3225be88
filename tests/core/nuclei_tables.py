"""Made-up tables of nuclei."""

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy

LIZARD = Taxonomy.load("lizard")


def table(rings, taxonomy=LIZARD, mpp=0.5, first=1) -> Nuclei:
    """A table with one row a ring; area, class and probabilities follow from the row number."""
    n = len(rings)
    rings = [np.asarray(ring, np.float32) for ring in rings]
    centres = np.array([ring.mean(0) for ring in rings], np.float64).reshape(-1, 2)
    probabilities = np.eye(len(taxonomy), dtype=np.float32)[np.arange(n) % len(taxonomy)]
    return Nuclei(
        taxonomy,
        mpp,
        np.arange(first, first + n),
        np.array(taxonomy.ids)[np.arange(n) % len(taxonomy)] if n else np.zeros(0),
        centres[:, 0],
        centres[:, 1],
        np.arange(n) + 10.0,
        probabilities.reshape(n, len(taxonomy)),
        np.concatenate([np.zeros((0, 2), np.float32), *rings]),
        np.cumsum([0, *(len(ring) for ring in rings)]),
        {"roundness": np.arange(n) / 7},
    )


def square(x, y, side=4.0):
    return [[x, y], [x + side, y], [x + side, y + side], [x, y + side]]
