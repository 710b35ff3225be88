"""Whether nuclei are lost or counted twice where blocks meet.

On a slide of ``make_slide``, each patch of tissue that a border of blocks runs through is divided
into strips parallel to the border. The count in the strip on the border is compared with the mean
of the other strips of the same patch, so that dense and sparse tissue weigh alike. If blocks leave
no trace, the mean of these differences is zero within its standard error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from make_slide import CLEARANCE, Plan

#: Width of a strip, in pixels: about that of two nuclei.
WIDTH = 32


@dataclass(frozen=True)
class Seams:
    """Nuclei per strip on borders of blocks, and beside them.

    Attributes
    ----------
    strips : int
        Strips on a border.
    nuclei : int
        Number of nuclei in the strips.
    expected : float
        What the other strips of the same patches lead one to expect.
    z : float
        Mean difference in units of its standard error; within ±2 in 95 of 100 slides that have no
        seam.
    error : float
        One standard error of ``nuclei / expected``.
    """

    strips: int
    nuclei: int
    expected: float
    z: float
    error: float


def find_seams(x: np.ndarray, y: np.ndarray, plan: Plan, borders: Sequence[int]) -> Seams:
    """Compare strips on borders with others.

    Parameters
    ----------
    x, y : ndarray of float, shape (n,)
        Centroids, in pixels of the slide.
    plan : Plan
        How the slide was put together.
    borders : sequence of int
        Where blocks end, along both axes.
    """
    cuts = np.asarray(plan.cuts)
    counts = [
        _counts(across, along, cuts, tissue, border)
        for across, along, tissue in ((x, y, plan.tissue.T), (y, x, plan.tissue))
        for border in borders
    ]
    on_border = np.concatenate([count for count, _ in counts])
    elsewhere = np.concatenate([mean for _, mean in counts])
    difference = on_border - elsewhere
    spread = float(difference.std(ddof=1)) / np.sqrt(len(difference))
    expected = float(elsewhere.sum())
    return Seams(
        len(on_border),
        int(on_border.sum()),
        expected,
        float(difference.mean()) / spread,
        spread * len(difference) / expected,
    )


def _counts(
    across: np.ndarray, along: np.ndarray, cuts: np.ndarray, tissue: np.ndarray, border: int
) -> tuple[np.ndarray, np.ndarray]:
    """Of each patch on a border: nuclei of the strip on it, and the mean of its other strips.

    ``tissue[i, j]`` is the cell ``i`` across the border and ``j`` along it.
    """
    cell = int(np.searchsorted(cuts, border, "right")) - 1
    # Strips keep as far from the cuts as borders do.
    first = -int((border - cuts[cell] - CLEARANCE) // WIDTH)
    last = int((cuts[cell + 1] - CLEARANCE - border) // WIDTH)
    low, high = border + (first - 0.5) * WIDTH, border + (last + 0.5) * WIDTH
    near = (across >= low) & (across < high)
    strip = ((across[near] - low) // WIDTH).astype(int)
    patch = np.searchsorted(cuts, along[near], "right") - 1
    table = np.zeros((len(cuts) - 1, last - first + 1))
    np.add.at(table, (np.minimum(patch, len(table) - 1), strip), 1)
    table = table[tissue[cell]]
    others = np.delete(table, -first, axis=1)
    return table[:, -first], others.mean(axis=1)
