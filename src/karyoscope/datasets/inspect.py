"""Inspection of a dataset: counts, sizes, leakage, problems."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from karyoscope.datasets.base import Dataset, Record, Sample

_TINY = 10


@dataclass(frozen=True)
class ImageSummary:
    """One image.

    Attributes
    ----------
    name, source, cohort, split : str
        Name, source, cohort and split of the record of the image.
    width, height : int
        Size of the image in pixels.
    counts : dict of str to int
        Nuclei (or points) by class name, and ``unclassified`` where there are any.
    """

    name: str
    source: str
    cohort: str
    split: str
    width: int
    height: int
    counts: dict[str, int]


@dataclass
class Inspection:
    """A dataset in figures.

    Attributes
    ----------
    layout : str
        Name of the layout.
    scales : list of float
        Micrometres per pixel that occur; empty where unknown.
    images : list of ImageSummary
        One an image, in the order of the records.
    counts : dict of str to int
        Nuclei by class, over all images.
    median_px, median_um2 : dict of str to float
        Median area of a nucleus by class, in pixels and in square micrometres.
    tiny : int
        Nuclei of fewer than 10 pixels: often left-overs of drawing.
    leaks : list of str
        Sources that are in more than one split.
    duplicates : list of str
        Images with the same pixels.
    problems : list of str
        Files that are missing, damaged or do not match.
    """

    layout: str
    scales: list[float] = field(default_factory=list)
    images: list[ImageSummary] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    median_px: dict[str, float] = field(default_factory=dict)
    median_um2: dict[str, float] = field(default_factory=dict)
    tiny: int = 0
    leaks: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as ``--json`` prints it."""
        return asdict(self)


def class_counts(sample: Sample) -> np.ndarray:
    """Nuclei, or points, of each class id: int64, shape (256,)."""
    ids = np.unique(sample.inst_map)
    found = sample.classes[ids[ids > 0]]
    if sample.points is not None:
        found = np.concatenate([found, sample.points[:, 2].astype(np.uint8)])
    return np.bincount(found, minlength=256)


def inspect_dataset(
    dataset: Dataset, watch: Callable[[Sample], None] = lambda sample: None
) -> Inspection:
    """Read every image of a dataset and sum it up.

    Parameters
    ----------
    dataset : Dataset
        Read once, one image at a time.
    watch : callable, optional
        Called with each sample, for progress or a contact sheet.
    """
    result = Inspection(dataset.name)
    names = {0: "unclassified", **{c.id: c.name for c in dataset.taxonomy.classes}}
    areas = _Areas()
    by_pixels: dict[bytes, list[str]] = defaultdict(list)
    total = np.zeros(256, np.int64)
    scales = set()
    for sample in dataset:
        counts = class_counts(sample)
        total += counts
        result.images.append(_summary(sample, counts, names))
        areas.add(sample)
        scales.add(sample.mpp)
        by_pixels[hashlib.blake2b(sample.image.tobytes()).digest()].append(sample.record.name)
        watch(sample)
    result.scales = sorted(s for s in scales if not math.isnan(s))
    result.counts = {names[i]: int(total[i]) for i in dataset.taxonomy.ids}
    if total[0]:
        result.counts["unclassified"] = int(total[0])
    result.median_px = {names[i]: m for i, m in areas.medians(areas.px).items()}
    if len(result.scales) == len(scales):
        result.median_um2 = {names[i]: m for i, m in areas.medians(areas.um2).items()}
    result.tiny = sum(int((a < _TINY).sum()) for parts in areas.px.values() for a in parts)
    result.leaks = leaks(dataset.records)
    result.duplicates = [", ".join(same) for same in by_pixels.values() if len(same) > 1]
    result.problems = list(dataset.problems)
    return result


def _summary(sample: Sample, counts: np.ndarray, names: dict[int, str]) -> ImageSummary:
    record = sample.record
    height, width = sample.inst_map.shape
    by_name = {names[i]: int(counts[i]) for i in np.flatnonzero(counts).tolist()}
    return ImageSummary(
        record.name, record.source, record.cohort, record.split, width, height, by_name
    )


class _Areas:
    """Areas of nuclei by class id, in pixels and in square micrometres."""

    def __init__(self) -> None:
        self.px: dict[int, list[np.ndarray]] = defaultdict(list)
        self.um2: dict[int, list[np.ndarray]] = defaultdict(list)

    def add(self, sample: Sample) -> None:
        """Count the pixels of every nucleus of an image."""
        sizes = np.bincount(sample.inst_map.ravel(), minlength=len(sample.classes))
        present = np.flatnonzero(sizes[1:]) + 1
        classes = sample.classes[present]
        for class_id in np.unique(classes).tolist():
            found = sizes[present][classes == class_id]
            self.px[class_id].append(found)
            self.um2[class_id].append(found * sample.mpp**2)

    @staticmethod
    def medians(areas: dict[int, list[np.ndarray]]) -> dict[int, float]:
        """Median over all images."""
        return {i: float(np.median(np.concatenate(a))) for i, a in sorted(areas.items())}


def leaks(records: list[Record]) -> list[str]:
    """Name the sources that have images in more than one split."""
    splits: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        if record.split:
            splits[record.source][record.split].append(record.name)
    return [
        f"{source}: "
        + "; ".join(f"{split} has {', '.join(names)}" for split, names in sorted(parts.items()))
        for source, parts in sorted(splits.items())
        if len(parts) > 1
    ]
