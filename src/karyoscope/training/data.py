"""From a recipe's datasets to training and validation images."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace

from karyoscope.datasets import DATASETS
from karyoscope.datasets.base import Dataset, Record, Sample
from karyoscope.errors import KaryoscopeError
from karyoscope.taxonomy import Taxonomy
from karyoscope.training.bank import PixelBank
from karyoscope.training.recipe import DataSource, Recipe


def open_source(source: DataSource, mpp: float) -> Dataset:
    """Open one dataset of a recipe and check its scale."""
    if source.dataset not in DATASETS:
        raise KaryoscopeError(
            f"no dataset {source.dataset!r}; there are {', '.join(sorted(DATASETS))}"
        )
    dataset = DATASETS[source.dataset](source.path, **source.options)  # type: ignore[call-arg]
    if abs(dataset.mpp / mpp - 1) > 0.03:
        raise KaryoscopeError(
            f"{source.path} is at {dataset.mpp} µm/px, the recipe at {mpp}: convert it first"
        )
    return dataset


def validation_sources(records: list[Record], fraction: float, seed: int) -> set[str]:
    """Choose sources for validation: a like share of every cohort, at least one each.

    Deterministic for a seed; cohorts with a single source stay in training.
    """
    by_cohort: dict[str, set[str]] = defaultdict(set)
    for record in records:
        by_cohort[record.cohort].add(record.source)
    kept: set[str] = set()
    for cohort in sorted(by_cohort):
        sources = sorted(by_cohort[cohort])
        random.Random(f"{seed}:{cohort}").shuffle(sources)
        if len(sources) > 1:
            kept.update(sources[: max(1, round(fraction * len(sources)))])
    return kept


def split_records(
    recipe: Recipe,
) -> tuple[list[tuple[Dataset, Record, float]], list[tuple[Dataset, Record]]]:
    """Training images with their weights, and validation images (first dataset only)."""
    datasets = [open_source(source, recipe.mpp) for source in recipe.data]
    kept = validation_sources(
        datasets[0].records, recipe.validation.fraction, recipe.validation.seed
    )
    train = [
        (dataset, record, source.weight)
        for dataset, source in zip(datasets, recipe.data, strict=True)
        for record in dataset.records
        if record.source not in kept
    ]
    validation = [(datasets[0], r) for r in datasets[0].records if r.source in kept]
    return train, validation


def in_taxonomy(sample: Sample, taxonomy: Taxonomy) -> Sample:
    """The sample with its classes named by another taxonomy."""
    if sample.taxonomy == taxonomy:
        return sample
    table = sample.taxonomy.lookup_to(taxonomy)
    return replace(sample, classes=table[sample.classes], taxonomy=taxonomy)


def load_training_bank(recipe: Recipe) -> PixelBank:
    """Read all training images of a recipe into one bank, on the CPU."""
    taxonomy = Taxonomy.load(recipe.taxonomy)
    train, _ = split_records(recipe)
    samples = (in_taxonomy(dataset.load(record), taxonomy) for dataset, record, _ in train)
    return PixelBank.from_samples(samples, [weight for *_, weight in train], len(taxonomy))
