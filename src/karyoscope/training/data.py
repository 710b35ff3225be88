"""From a recipe's datasets to training and validation images."""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter

from torch.utils.data import Dataset as TorchDataset

from karyoscope.datasets import Dataset, Record, Sample, merge_classes, open_dataset
from karyoscope.datasets.split import apply_split, read_split
from karyoscope.errors import KaryoscopeError
from karyoscope.pipeline.seen import change_image, own_stain
from karyoscope.taxonomy import Taxonomy
from karyoscope.training.bank import PixelBank
from karyoscope.training.schema import DataSource, Recipe

Weighted = tuple[Dataset, Record, float]


def open_source(source: DataSource, mpp: float) -> Dataset:
    """Open one dataset of a recipe and check its scale."""
    taxonomy = Taxonomy.load(source.taxonomy) if source.taxonomy else None
    dataset = open_dataset(
        source.path, source.dataset, taxonomy=taxonomy, mpp=source.mpp, **source.options
    )
    if abs(dataset.mpp / mpp - 1) > 0.03:
        raise KaryoscopeError(
            f"{source.path} is at {dataset.mpp} µm/px, the recipe at {mpp}: convert it first"
        )
    return dataset


def split_records(recipe: Recipe) -> tuple[list[Weighted], list[tuple[Dataset, Record]]]:
    """Training images with their weights, and validation images (of the first dataset)."""
    datasets = [open_source(source, recipe.mpp) for source in recipe.data]
    part = recipe.validation.part
    split = read_split(recipe.validation.split)
    parts = apply_split(datasets[0], split)
    if part not in parts:
        raise KaryoscopeError(f"{recipe.validation.split} has no part {part!r}")
    # A split by tile has tiles of one source on both sides, as its papers do; where a cohort is
    # left out, that of the other datasets is too.
    unit = attrgetter({"tile": "name", "source": "source", "cohort": "cohort"}[split.by])
    kept = {unit(record) for record in parts[part]}
    train = [
        (dataset, record, source.weight)
        for dataset, source in zip(datasets, recipe.data, strict=True)
        for record in dataset.records
        if unit(record) not in kept
    ]
    return train, [(datasets[0], record) for record in parts[part]]


class RecipeImages:
    """Images as the network of a recipe is shown them: its classes, and its stain.

    Parameters
    ----------
    recipe : Recipe
    """

    def __init__(self, recipe: Recipe) -> None:
        self._mpp = recipe.mpp
        self.taxonomy = Taxonomy.load(recipe.taxonomy)
        self._stain = None if recipe.stain is None else own_stain(recipe.stain)

    def load(self, dataset: Dataset, record: Record) -> Sample:
        """Read one image of a dataset."""
        sample = merge_classes(dataset, self.taxonomy).load(record)
        if self._stain is None:
            return sample
        return replace(sample, image=change_image(sample.image, self._stain, self._mpp))


def load_training_bank(recipe: Recipe) -> PixelBank:
    """Read all training images of a recipe into one bank, on the CPU."""
    images = RecipeImages(recipe)
    train, _ = split_records(recipe)
    samples = (images.load(dataset, record) for dataset, record, _ in train)
    return PixelBank.from_samples(samples, [weight for *_, weight in train], len(images.taxonomy))


class _Shared(TorchDataset):
    """Images that several processes share among them.

    All have as many, so that none waits for another: some have None in place of the last.
    """

    def __init__(self, count: int, rank: int, processes: int) -> None:
        self._count = count
        self._rank = rank
        self._processes = processes

    def __len__(self) -> int:
        return -(-self._count // self._processes)

    def __getitem__(self, index: int) -> Sample | None:
        index = index * self._processes + self._rank
        return self._image(index) if index < self._count else None

    def _image(self, index: int) -> Sample:
        raise NotImplementedError


class ValidationImages(_Shared):
    """The validation images of a recipe, whole; see :class:`RecipeImages`.

    Parameters
    ----------
    recipe : Recipe
    rank, processes : int
        Several processes share the images. All have as many, so that none waits for another:
        some have None in place of the last.
    """

    def __init__(self, recipe: Recipe, rank: int = 0, processes: int = 1) -> None:
        self._read = RecipeImages(recipe).load
        _, self._records = split_records(recipe)
        super().__init__(len(self._records), rank, processes)

    def _image(self, index: int) -> Sample:
        return self._read(*self._records[index])


class PackedValidationImages(_Shared):
    """Validation images that were read from a packed training set, shared in the same way.

    Parameters
    ----------
    samples : list of Sample
    rank, processes : int
    """

    def __init__(self, samples: list[Sample], rank: int = 0, processes: int = 1) -> None:
        self._samples = samples
        super().__init__(len(samples), rank, processes)

    def _image(self, index: int) -> Sample:
        return self._samples[index]
