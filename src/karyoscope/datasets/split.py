"""Parting a dataset for training and testing, without parting a source.

Every part gets about its share of images, of each class of nucleus and of each cohort, and
wherever there are enough sources a part lacks no class. That is a small search: sources are dealt
out greedily, then moved and swapped while that helps, from several random orders; the same seed
gives the same split.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from karyoscope.datasets.base import Dataset, Record, Sample
from karyoscope.datasets.inspect import class_counts
from karyoscope.errors import KaryoscopeError
from karyoscope.taxonomy import Taxonomy

_FORMAT = "karyoscope split 1"
_RESTARTS = 16
# A part without a class that it could have weighs more than any imbalance of shares.
_MISSING = 10.0
_MOST_SWAPPED = 500


@dataclass(frozen=True)
class Split:
    """Names of the images of each part.

    Attributes
    ----------
    parts : dict of str to list of str
        Sorted names of records by part.
    fractions : dict of str to float
        Share of each part that was asked for.
    seed : int
        Seed of the search.
    counts : dict
        By part: ``images``, ``sources``, ``cohorts`` (images of each), ``classes`` (nuclei).
    """

    parts: dict[str, list[str]]
    fractions: dict[str, float]
    seed: int
    counts: dict[str, dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in the JSON file."""
        return {
            "format": _FORMAT,
            "seed": self.seed,
            "fractions": self.fractions,
            "parts": self.parts,
            "counts": self.counts,
        }


def split_dataset(
    dataset: Dataset,
    fractions: Mapping[str, float],
    seed: int = 0,
    seen: Callable[[Sample], None] = lambda sample: None,
) -> Split:
    """Count the nuclei of every image, then :func:`split_records`.

    ``seen`` is called with each sample, for progress.
    """
    counts = {}
    for sample in dataset:
        counts[sample.record.name] = class_counts(sample)
        seen(sample)
    return split_records(
        dataset.records,
        [counts[r.name] for r in dataset.records],
        dataset.taxonomy,
        fractions,
        seed,
    )


def split_records(
    records: Sequence[Record],
    counts: Sequence[np.ndarray],
    taxonomy: Taxonomy,
    fractions: Mapping[str, float],
    seed: int = 0,
) -> Split:
    """Part records by source.

    Parameters
    ----------
    records : sequence of Record
        All images.
    counts : sequence of ndarray of int, shape (256,)
        Nuclei of each class id, for each record.
    taxonomy : Taxonomy
        Classes to balance.
    fractions : mapping of str to float
        Share of each part; they are scaled to sum to one.
    seed : int
        Another seed may give another split of like quality.

    Raises
    ------
    KaryoscopeError
        If there are fewer sources than parts, or a share is not positive.
    """
    sources = sorted({record.source for record in records})
    if not fractions or min(fractions.values()) <= 0:
        raise KaryoscopeError("every part needs a positive share")
    if len(sources) < len(fractions):
        raise KaryoscopeError(f"{len(sources)} sources cannot make {len(fractions)} parts")
    shares = np.array(list(fractions.values()), np.float64)
    shares /= shares.sum()
    search = _Search(_features(records, counts, taxonomy, sources), shares)
    rng = np.random.default_rng(seed)
    best = min((search.run(rng) for _ in range(_RESTARTS)), key=search.loss)
    part_of = dict(zip(sources, best.tolist(), strict=True))
    parts: dict[str, list[str]] = {}
    summary: dict[str, dict[str, Any]] = {}
    for number, part in enumerate(fractions):
        rows = [i for i, r in enumerate(records) if part_of[r.source] == number]
        parts[part] = sorted(records[i].name for i in rows)
        total = sum((counts[i] for i in rows), np.zeros(256, np.int64))
        summary[part] = {
            "images": len(rows),
            "sources": len({records[i].source for i in rows}),
            "cohorts": dict(sorted(Counter(records[i].cohort for i in rows).items())),
            "classes": {c.name: int(total[c.id]) for c in taxonomy.classes},
        }
    return Split(parts, dict(fractions), seed, summary)


def _features(
    records: Sequence[Record],
    counts: Sequence[np.ndarray],
    taxonomy: Taxonomy,
    sources: list[str],
) -> np.ndarray:
    """Share of each source in the images, in each class and in each cohort: (sources, k)."""
    row_of = {source: i for i, source in enumerate(sources)}
    cohorts = {cohort: i for i, cohort in enumerate(sorted({r.cohort for r in records}))}
    table = np.zeros((len(sources), 1 + len(taxonomy) + len(cohorts)))
    for record, count in zip(records, counts, strict=True):
        row = table[row_of[record.source]]
        row[0] += 1
        row[1 : 1 + len(taxonomy)] += count[list(taxonomy.ids)]
        row[1 + len(taxonomy) + cohorts[record.cohort]] += 1
    totals = table.sum(0)
    return table[:, totals > 0] / totals[totals > 0]


class _Search:
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


def write_split(split: Split, path: str | Path) -> None:
    """Write a split as JSON."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(split.to_dict(), indent=1, ensure_ascii=False) + "\n", "utf-8")
    part.replace(path)


def read_split(path: str | Path) -> Split:
    """Read a split; the inverse of :func:`write_split`."""
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        if data["format"] != _FORMAT:
            raise ValueError(f"format {data['format']!r}")
        return Split(data["parts"], data["fractions"], data["seed"], data["counts"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KaryoscopeError(f"{path}: not a split file ({error})") from error


def apply_split(dataset: Dataset, split: Split) -> dict[str, list[Record]]:
    """Set the split of every record, and return the records of each part.

    Raises
    ------
    KaryoscopeError
        If the split names an image that the dataset lacks, or leaves one of its images out.
    """
    part_of = {name: part for part, names in split.parts.items() for name in names}
    for record in dataset.records:
        if record.name not in part_of:
            raise KaryoscopeError(f"image {record.name} is in no part of the split")
    missing = part_of.keys() - {record.name for record in dataset.records}
    if missing:
        raise KaryoscopeError(f"image {min(missing)} of the split is not in the dataset")
    dataset.records = [replace(r, split=part_of[r.name]) for r in dataset.records]
    parts: dict[str, list[Record]] = defaultdict(list)
    for record in dataset.records:
        parts[record.split].append(record)
    return dict(parts)
