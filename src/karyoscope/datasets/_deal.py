"""Dealing sources out to the parts of a split, so that each gets its share of everything.

A small search: rows of a table of shares are dealt out greedily, then moved and swapped while that
helps.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets.base import Record

_RESTARTS = 16
# A part without a class that it could have weighs more than any imbalance of shares.
_MISSING = 10.0
_MOST_SWAPPED = 500


def deal(table: np.ndarray, shares: np.ndarray, seed: int) -> np.ndarray:
    """Part of each row of a table of :func:`features`: the best of several random orders.

    Parameters
    ----------
    table : ndarray of float64, shape (n, k)
    shares : ndarray of float64, shape (parts,)
        They sum to one.
    seed : int

    Returns
    -------
    ndarray of int64, shape (n,)
    """
    search = Search(table, shares)
    rng = np.random.default_rng(seed)
    return min((search.run(rng) for _ in range(_RESTARTS)), key=search.loss)


def features(
    records: Sequence[Record],
    counts: Sequence[np.ndarray],
    taxonomy: Taxonomy,
    units: Sequence[str],
) -> np.ndarray:
    """Share of each unit in the images, in each class and in each cohort.

    Parameters
    ----------
    records : sequence of Record
    counts : sequence of ndarray of int, shape (256,)
        Nuclei of each class id, for each record.
    taxonomy : Taxonomy
    units : sequence of str
        What is dealt out as a whole, for each record: its source, or the record itself.

    Returns
    -------
    ndarray of float64, shape (distinct units in the order of their names, k)
    """
    row_of = {unit: i for i, unit in enumerate(sorted(set(units)))}
    cohorts = {cohort: i for i, cohort in enumerate(sorted({r.cohort for r in records}))}
    table = np.zeros((len(row_of), 1 + len(taxonomy) + len(cohorts)))
    for record, count, unit in zip(records, counts, units, strict=True):
        row = table[row_of[unit]]
        row[0] += 1
        row[1 : 1 + len(taxonomy)] += count[list(taxonomy.ids)]
        row[1 + len(taxonomy) + cohorts[record.cohort]] += 1
    totals = table.sum(0)
    return table[:, totals > 0] / totals[totals > 0]


class Search:
    """Assigns rows of a table of features to parts.

    The loss of a part is the squared difference between its share of each feature and the share
    it should have, and a penalty for each feature of which it has nothing although there are
    rows enough for all parts.
    """

    def __init__(self, features: np.ndarray, shares: np.ndarray) -> None:
        self._features = features
        self._shares = shares
        self._enough = (features > 0).sum(0) >= len(shares)

    def run(self, rng: np.random.Generator) -> np.ndarray:
        """One local optimum: the part of each row."""
        parts = self._deal(rng)
        while self._move(parts) or self._swap(parts):
            pass
        return parts

    def loss(self, parts: np.ndarray) -> float:
        """Loss of an assignment."""
        return sum(float(self._part_loss(sums, p)) for p, sums in enumerate(self._sums(parts)))

    def _sums(self, parts: np.ndarray) -> np.ndarray:
        sums = np.zeros((len(self._shares), self._features.shape[1]))
        np.add.at(sums, parts, self._features)
        return sums

    def _part_loss(self, sums: np.ndarray, part: int) -> np.ndarray:
        """Loss of one part whose features sum to ``sums``, shape (..., k)."""
        share = self._shares[part]
        missing = (sums < 1e-12) & self._enough
        return ((sums - share) ** 2 / share).sum(-1) + _MISSING * missing.sum(-1)

    def _deal(self, rng: np.random.Generator) -> np.ndarray:
        """Give each row, those that hold most of a feature first, to the part it helps most."""
        weight = self._features.max(1) * rng.uniform(0.5, 1.5, len(self._features))
        sums = np.zeros((len(self._shares), self._features.shape[1]))
        parts = np.zeros(len(self._features), np.int64)
        for row in np.argsort(-weight, kind="stable"):
            gains = [
                self._part_loss(sums[p] + self._features[row], p) - self._part_loss(sums[p], p)
                for p in range(len(self._shares))
            ]
            parts[row] = int(np.argmin(gains))
            sums[parts[row]] += self._features[row]
        return parts

    def _move(self, parts: np.ndarray) -> bool:
        """Make the best move of one row, if any helps."""
        sums = self._sums(parts)
        now = np.array([self._part_loss(s, p) for p, s in enumerate(sums)])
        without = np.zeros(len(parts))
        for p in range(len(self._shares)):
            rows = parts == p
            without[rows] = self._part_loss(sums[p] - self._features[rows], p) - now[p]
        change = np.full((len(self._shares), len(parts)), np.inf)
        for p in range(len(self._shares)):
            rows = parts != p
            gain = self._part_loss(sums[p] + self._features[rows], p) - now[p]
            change[p, rows] = gain + without[rows]
        target, row = np.unravel_index(change.argmin(), change.shape)
        if change[target, row] > -1e-9:
            return False
        parts[row] = target
        return True

    def _swap(self, parts: np.ndarray) -> bool:
        """Make the first swap of two rows that helps, if any does."""
        if len(parts) > _MOST_SWAPPED:
            return False
        sums = self._sums(parts)
        for row in range(len(parts)):
            for p in range(len(self._shares)):
                others = np.flatnonzero(parts == p)
                if p == parts[row] or not len(others):
                    continue
                shift = self._features[others] - self._features[row]
                own = parts[row]
                change = (
                    self._part_loss(sums[own] + shift, own)
                    - self._part_loss(sums[own], own)
                    + self._part_loss(sums[p] - shift, p)
                    - self._part_loss(sums[p], p)
                )
                if change.min() < -1e-9:
                    other = others[int(change.argmin())]
                    parts[row], parts[other] = p, own
                    return True
        return False
