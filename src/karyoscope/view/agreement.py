"""Two results of one slide beside each other: which nuclei both have, and where they differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from karyoscope.core.errors import KaryoscopeError
from karyoscope.view.table import NucleiTable

#: Farthest distance of two centroids of one nucleus, in µm; a nucleus is some 6 µm wide.
RADIUS_UM = 6.0
#: Edge of the squares in which differences are counted, in µm.
PLACE_UM = 128.0
#: What each code of a nucleus means. "Missed" is of the second result, the others of the first.
CODES = ("agrees", "other class", "extra", "missed")
_AGREES, _OTHER, _EXTRA, _MISSED = range(4)


@dataclass(frozen=True)
class Agreement:
    """Pairs of nuclei of two results.

    A pair is each other's nearest neighbour, no farther than a radius. So a nucleus is in one
    pair at most, and the pairs do not depend on the order of the tables.

    Attributes
    ----------
    first, second : NucleiTable
        The result that is looked at, and the one that it is compared to.
    first_codes, second_codes : ndarray of uint8
        Places in ``CODES``, by the rows of each table.
    """

    first: NucleiTable
    second: NucleiTable
    first_codes: np.ndarray
    second_codes: np.ndarray

    def summary(self, region: shapely.Geometry | None = None, worst: int = 50) -> dict[str, Any]:
        """Counts and scores, of the whole slide or of a region, and the worst places.

        Returns
        -------
        dict
            ``counts`` by code, ``precision``, ``recall``, ``f1`` of detection, ``class_accuracy``
            of the pairs, ``radius_um``, and ``places``: squares with the most differences, each
            with ``x``, ``y``, ``edge`` (pixels of level 0), ``differences`` and counts by code.
        """
        a, b = self._where(self.first, region), self._where(self.second, region)
        codes_a, codes_b = self.first_codes[a], self.second_codes[b]
        counts = [int((codes_a == code).sum()) for code in (_AGREES, _OTHER, _EXTRA)]
        counts.append(int((codes_b == _MISSED).sum()))
        agrees, other, extra, missed = counts
        paired = agrees + other
        return {
            "counts": dict(zip(CODES, counts, strict=True)),
            "precision": _ratio(paired, paired + extra),
            "recall": _ratio(paired, paired + missed),
            "f1": _ratio(2 * paired, 2 * paired + extra + missed),
            "class_accuracy": _ratio(agrees, paired),
            "radius_um": RADIUS_UM,
            "places": self._places(a, b, worst),
        }

    def _places(self, a: np.ndarray, b: np.ndarray, worst: int) -> list[dict[str, Any]]:
        edge = PLACE_UM / self.first.context.mpp
        across = int(self.first.context.size[0] // edge) + 1
        down = int(self.first.context.size[1] // edge) + 1
        counts = np.zeros((len(CODES), across * down), np.int64)
        for table, rows, codes, wanted in (
            (self.first, a, self.first_codes, (_OTHER, _EXTRA)),
            (self.second, b, self.second_codes, (_MISSED,)),
        ):
            column = np.clip(table.x[rows] // edge, 0, across - 1).astype(np.int64)
            row = np.clip(table.y[rows] // edge, 0, down - 1).astype(np.int64)
            for code in wanted:
                mine = codes[rows] == code
                counts[code] += np.bincount((row * across + column)[mine], minlength=across * down)
        total = counts.sum(0)
        order = np.argsort(-total, kind="stable")[:worst]
        return [
            {
                "x": float(place % across * edge),
                "y": float(place // across * edge),
                "edge": float(edge),
                "differences": int(total[place]),
                **{CODES[code]: int(counts[code, place]) for code in (_OTHER, _EXTRA, _MISSED)},
            }
            for place in order.tolist()
            if total[place]
        ]

    def _where(self, table: NucleiTable, region: shapely.Geometry | None) -> np.ndarray:
        if region is None:
            return np.arange(len(table))
        shapely.prepare(region)
        return np.flatnonzero(shapely.contains_xy(region, table.x, table.y))


def compare(first: NucleiTable, second: NucleiTable) -> Agreement:
    """Pair the nuclei of two results of one slide.

    Raises
    ------
    KaryoscopeError
        If they are of slides of different size.
    """
    if first.context.size != second.context.size:
        raise KaryoscopeError("the two results are of different slides: their sizes differ")
    from scipy.spatial import cKDTree  # late, as it takes 30 MB

    scale = np.array([first.context.mpp_x, first.context.mpp_y])
    a, b = (np.stack([t.x, t.y], 1) * scale for t in (first, second))
    codes_a = np.full(len(a), _EXTRA, np.uint8)
    codes_b = np.full(len(b), _MISSED, np.uint8)
    if len(a) and len(b):
        distance, to_b = cKDTree(b).query(a, distance_upper_bound=RADIUS_UM * (1 + 1e-12))
        _, to_a = cKDTree(a).query(b)
        near = np.flatnonzero(np.isfinite(distance))
        rows = near[to_a[to_b[near]] == near]
        there = to_b[rows]
        table = _same_class(first, second)
        same = table[first.class_id[rows]] == second.class_id[there]
        codes_a[rows] = codes_b[there] = np.where(same, _AGREES, _OTHER)
    return Agreement(first, second, codes_a, codes_b)


def _same_class(first: NucleiTable, second: NucleiTable) -> np.ndarray:
    """Class ids of the first result as those of the second."""
    here, there = first.context.taxonomy, second.context.taxonomy
    if here.names == there.names:
        table = np.zeros(256, np.int64)
        table[list(here.ids)] = there.ids
        return table
    return here.lookup_to(there).astype(np.int64)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
