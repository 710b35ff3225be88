"""The annotated images that a generator learns from, or takes masks from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Dataset, Record, Sample, merge_classes, open_dataset
from karyoscope.datasets.resample import resampled
from karyoscope.datasets.split import apply_split, read_split
from karyoscope.training.data.bank import PixelBank
from karyoscope.training.recipe.schema import DataSource
from karyoscope.training.synthesis.recipe import KeptOut, SynthesisRecipe


@dataclass(frozen=True)
class TileSource:
    """Annotated images in memory.

    Attributes
    ----------
    bank : PixelBank
        Their pixels and labels.
    records : list of Record
        The record of each image of the bank, in its order.
    taxonomy : Taxonomy
        Classes of the labels.
    mpp : float
        Micrometres per pixel.
    skipped : list of str
        One line for each image that is too small or cannot be read.
    """

    bank: PixelBank
    records: list[Record]
    taxonomy: Taxonomy
    mpp: float
    skipped: list[str]


def load_sources(recipe: SynthesisRecipe) -> TileSource:
    """The images of a recipe, without those that are kept out."""
    datasets = [_open(source) for source in recipe.data]
    return _gathered(
        datasets,
        [source.weight for source in recipe.data],
        _kept_out(datasets[0], recipe.kept_out),
        Taxonomy.load(recipe.taxonomy) if recipe.taxonomy else datasets[0].taxonomy,
        recipe.mpp or datasets[0].mpp,
        recipe.training.tile,
    )


def load_part(
    source: DataSource, split: tuple[Path, str] | None, taxonomy: Taxonomy, mpp: float, tile: int
) -> TileSource:
    """The images of one dataset, or of one part of it, named by other classes.

    Parameters
    ----------
    source : DataSource
        The dataset.
    split : (path, str), optional
        Split file and part.
    taxonomy, mpp : Taxonomy, float
        Classes to name the nuclei by, and the scale that images of another are brought to.
    tile : int
        Smaller images are left out.
    """
    dataset = _open(source)
    if split is not None:
        chosen = {record.name for record in _part(dataset, *split)}
        dataset.records = [record for record in dataset.records if record.name in chosen]
    return _gathered([dataset], [1.0], set(), taxonomy, mpp, tile)


def _open(source: DataSource) -> Dataset:
    taxonomy = Taxonomy.load(source.taxonomy) if source.taxonomy else None
    return open_dataset(
        source.path, source.dataset, taxonomy=taxonomy, mpp=source.mpp, **source.options
    )


def _part(dataset: Dataset, split: Path, part: str) -> list[Record]:
    parts = apply_split(dataset, read_split(split))
    if part not in parts:
        raise KaryoscopeError(f"{split} has no part {part!r}; there are {', '.join(parts)}")
    return parts[part]


def _kept_out(dataset: Dataset, kept: KeptOut | None) -> set[str]:
    """Sources that are kept out of every dataset."""
    return {r.source for r in _part(dataset, kept.split, kept.part)} if kept else set()


def _gathered(
    datasets: Sequence[Dataset],
    weights: Sequence[float],
    kept_out: set[str],
    taxonomy: Taxonomy,
    mpp: float,
    tile: int,
) -> TileSource:
    samples: list[Sample] = []
    of_image: list[float] = []
    skipped: list[str] = []
    for dataset, weight in zip(datasets, weights, strict=True):
        dataset.records = [r for r in dataset.records if r.source not in kept_out]
        merged = resampled(merge_classes(dataset, taxonomy), mpp)
        for sample in merged:
            if min(sample.inst_map.shape) < tile:
                skipped.append(f"{sample.record.name}: smaller than a tile of {tile} px")
                continue
            samples.append(sample)
            of_image.append(weight)
        skipped += merged.problems
    if not samples:
        raise KaryoscopeError(f"no image holds a tile of {tile} px: {'; '.join(skipped[:3])}")
    bank = PixelBank.from_samples(samples, of_image, len(taxonomy))
    return TileSource(bank, [s.record for s in samples], taxonomy, mpp, skipped)
