"""Division of a dataset for training and testing: by source, by tile, or one cohort at a time.

Each part receives about its share of the images, of the nuclei of each class and of each cohort;
where there are enough sources, every part has all classes. The same seed gives the same split.
With ``by="source"`` no source is divided. ``by="tile"`` divides sources, as some papers do: tiles
of one slide are then in several parts, and scores are too high. :func:`leave_out` holds a whole
cohort out for validation.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import read_json, write_text
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets._deal import deal, features
from karyoscope.datasets.base import Dataset, Record, Sample
from karyoscope.datasets.inspect import class_counts

_FORMAT = "karyoscope split 1"
#: What a split never parts.
Unit = Literal["source", "tile", "cohort"]


@dataclass(frozen=True)
class Split:
    """Names of the images of each part.

    Attributes
    ----------
    parts : dict of str to list of str
        Sorted names of records by part.
    fractions : dict of str to float
        Share of each part that was requested.
    seed : int
        Seed of the search.
    counts : dict
        By part: ``images``, ``sources``, ``cohorts`` (images of each), ``classes`` (nuclei).
    by : {"source", "tile", "cohort"}
        Unit that is never divided between two parts.
    """

    parts: dict[str, list[str]]
    fractions: dict[str, float]
    seed: int
    counts: dict[str, dict[str, Any]]
    by: Unit = "source"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in the JSON file."""
        return {
            "format": _FORMAT,
            "by": self.by,
            "seed": self.seed,
            "fractions": self.fractions,
            "parts": self.parts,
            "counts": self.counts,
        }


def split_dataset(
    dataset: Dataset,
    fractions: Mapping[str, float],
    seed: int = 0,
    watch: Callable[[Sample], None] = lambda sample: None,
    by: Unit = "source",
) -> Split:
    """Count the nuclei of every image, then :func:`split_records`.

    ``watch`` is called with each sample, for progress.
    """
    counts = count_nuclei(dataset, watch)
    return split_records(dataset.records, counts, dataset.taxonomy, fractions, seed, by)


def count_nuclei(
    dataset: Dataset, watch: Callable[[Sample], None] = lambda sample: None
) -> list[np.ndarray]:
    """Nuclei of each class id, shape (256,), for each record of a dataset."""
    counts = {}
    for sample in dataset:
        counts[sample.record.name] = class_counts(sample)
        watch(sample)
    return [counts[record.name] for record in dataset.records]


def split_records(
    records: Sequence[Record],
    counts: Sequence[np.ndarray],
    taxonomy: Taxonomy,
    fractions: Mapping[str, float],
    seed: int = 0,
    by: Unit = "source",
    aside: Mapping[str, Collection[str]] | None = None,
) -> Split:
    """Divide records into parts, by source or by image.

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
    by : {"source", "tile"}
        Unit that is kept in one part.
    aside : mapping of str to collection of str, optional
        Parts whose images are given by name and not divided.

    Raises
    ------
    KaryoscopeError
        If there are fewer sources (tiles) than parts, or a share is not positive.
    """
    given = {name: part for part, names in (aside or {}).items() for name in names}
    divided = [i for i, record in enumerate(records) if record.name not in given]
    units = [records[i].name if by == "tile" else records[i].source for i in divided]
    distinct = sorted(set(units))
    if not fractions or min(fractions.values()) <= 0:
        raise KaryoscopeError("every part needs a positive share")
    if len(distinct) < len(fractions):
        raise KaryoscopeError(f"{len(distinct)} {by}s cannot make {len(fractions)} parts")
    shares = np.array(list(fractions.values()), np.float64)
    shares /= shares.sum()
    of_divided = [records[i] for i in divided], [counts[i] for i in divided]
    dealt = deal(features(*of_divided, taxonomy, units), shares, seed)
    part_of = {unit: list(fractions)[part] for unit, part in zip(distinct, dealt, strict=True)}
    parts: dict[str, list[int]] = {part: [] for part in fractions}
    for i, unit in zip(divided, units, strict=True):
        parts[part_of[unit]].append(i)
    for part in dict.fromkeys(given.values()):
        parts[part] = [i for i, record in enumerate(records) if given.get(record.name) == part]
    return _split(records, counts, taxonomy, parts, dict(fractions), seed, by)


def leave_out(
    records: Sequence[Record], counts: Sequence[np.ndarray], taxonomy: Taxonomy, cohort: str
) -> Split:
    """Keep one cohort for validation and train on all others.

    Parameters
    ----------
    records, counts, taxonomy
        See :func:`split_records`.
    cohort : str
        Such as ``"glas"`` of Lizard.

    Returns
    -------
    Split
        Parts ``train`` and ``validation``.

    Raises
    ------
    KaryoscopeError
        If there is no such cohort or no other, or a source lies in two cohorts.
    """
    cohorts = cohorts_of(records)
    if cohort not in cohorts:
        raise KaryoscopeError(f"no cohort {cohort!r}; there are {', '.join(cohorts)}")
    if len(cohorts) < 2 and all(record.cohort for record in records):
        raise KaryoscopeError(f"{cohort!r} is the only cohort: nothing is left to train on")
    held = [i for i, record in enumerate(records) if record.cohort == cohort]
    rest = [i for i, record in enumerate(records) if record.cohort != cohort]
    both = {records[i].source for i in held} & {records[i].source for i in rest}
    if both:
        raise KaryoscopeError(f"source {min(both)} is in cohort {cohort!r} and in another")
    fractions = {"train": len(rest) / len(records), "validation": len(held) / len(records)}
    parts = {"train": rest, "validation": held}
    return _split(records, counts, taxonomy, parts, fractions, 0, "cohort")


def cohorts_of(records: Sequence[Record]) -> list[str]:
    """Names of the cohorts, sorted.

    Raises
    ------
    KaryoscopeError
        If no record names its cohort.
    """
    cohorts = sorted({record.cohort for record in records} - {""})
    if not cohorts:
        raise KaryoscopeError("the dataset names no cohorts, so none can be left out")
    return cohorts


def _split(
    records: Sequence[Record],
    counts: Sequence[np.ndarray],
    taxonomy: Taxonomy,
    parts: Mapping[str, list[int]],
    fractions: dict[str, float],
    seed: int,
    by: Unit,
) -> Split:
    """Name the images of each part, given by their numbers, and add up what they hold."""
    summary: dict[str, dict[str, Any]] = {}
    for part, rows in parts.items():
        total = sum((counts[i] for i in rows), np.zeros(256, np.int64))
        summary[part] = {
            "images": len(rows),
            "sources": len({records[i].source for i in rows}),
            "cohorts": dict(sorted(Counter(records[i].cohort for i in rows).items())),
            "classes": {c.name: int(total[c.id]) for c in taxonomy.classes},
        }
    names = {part: sorted(records[i].name for i in rows) for part, rows in parts.items()}
    return Split(names, fractions, seed, summary, by)


def write_split(split: Split, path: str | Path) -> None:
    """Write a split as JSON."""
    write_text(path, json.dumps(split.to_dict(), indent=1, ensure_ascii=False) + "\n")


def read_split(path: str | Path) -> Split:
    """Read a split; the inverse of :func:`write_split`."""
    try:
        data = read_json(path)
        if data["format"] != _FORMAT:
            raise ValueError(f"format {data['format']!r}")
        by = data.get("by", "source")
        return Split(data["parts"], data["fractions"], data["seed"], data["counts"], by)
    except (KaryoscopeError, ValueError, KeyError, TypeError, AttributeError) as error:
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
