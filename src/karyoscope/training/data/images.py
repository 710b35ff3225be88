"""From a recipe's datasets to training and validation images."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset as TorchDataset

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Dataset, Record, Sample, open_dataset
from karyoscope.datasets.partial import partly_labelled
from karyoscope.datasets.resample import Resampled, resampled
from karyoscope.pipeline.stains.inputs import builtin_stain, stained_image
from karyoscope.targets import OF_POINTS
from karyoscope.training.data.bank import PixelBank, has_points_alone
from karyoscope.training.data.hold_out import HeldOut
from karyoscope.training.recipe.check import targets_of
from karyoscope.training.recipe.schema import DataSource, Recipe

Weighted = tuple[Dataset, Record, float]


def open_source(source: DataSource, mpp: float, model: Taxonomy | None = None) -> Resampled:
    """Open one dataset of a recipe, at a scale, and with what its classes may be in a model's."""
    if not Path(source.path).is_dir():
        raise KaryoscopeError(
            f"{source.path}: no such folder; give that of your copy of the data by --data, in the"
            " recipe, or by --set data.0.path=FOLDER (0 is the first entry; docs/recipes.md says"
            " which data)"
        )
    taxonomy = Taxonomy.load(source.taxonomy) if source.taxonomy else None
    dataset = open_dataset(
        source.path, source.dataset, taxonomy=taxonomy, mpp=source.mpp, **source.options
    )
    if source.may_be and model is not None:
        own = dataset.taxonomy
        both = {**own.may_be.get(model.name, {}), **source.may_be}
        dataset.taxonomy = replace(own, may_be={**own.may_be, model.name: both})
    if model is not None and dataset.taxonomy != model:
        # What cannot be is found out before any image is read.
        dataset.taxonomy.sets_in(model)
    return resampled(dataset, mpp)


@dataclass(frozen=True)
class SourceImages:
    """Training and validation images of one dataset of a recipe.

    Attributes
    ----------
    source : DataSource
        The recipe's words.
    dataset : Resampled
        The dataset at the recipe's scale.
    train : list of Record
    held_out : list of Record
        The images that are not trained on.
    """

    source: DataSource
    dataset: Resampled
    train: list[Record]
    held_out: list[Record]

    def describe(self) -> dict[str, Any]:
        """What a card says of the dataset; its folder by name alone, since paths are private."""
        mpp = self.dataset.own_mpp
        return {
            "name": self.source.path.resolve().name,
            "layout": self.dataset.name,
            "weight": self.source.weight,
            "mpp": None if math.isnan(mpp) else mpp,
            "images": len(self.train),
            "held_out": [record.name for record in self.held_out],
        }


def images_of(recipe: Recipe) -> tuple[list[SourceImages], list[Record]]:
    """Every dataset of a recipe, and the validation images, which are of the first.

    Where a split has a part ``train``, that part alone is trained on; otherwise all but the
    validation part and parts called ``test...``. What is held out of one dataset is so in all: no
    source has images on both sides.
    """
    model = Taxonomy.load(recipe.taxonomy)
    datasets = [open_source(source, recipe.mpp, model) for source in recipe.data]
    held = HeldOut()
    validation = held.by_validation(datasets[0], recipe.validation)
    for source, dataset in zip(recipe.data, datasets, strict=True):
        held.by_source(dataset, source)
    found = []
    for source, dataset in zip(recipe.data, datasets, strict=True):
        train = [record for record in dataset.records if not held.holds(dataset, record)]
        names = {record.name for record in train}
        rest = [record for record in dataset.records if record.name not in names]
        found.append(SourceImages(source, dataset, train, rest))
    return found, validation


def split_records(recipe: Recipe) -> tuple[list[Weighted], list[tuple[Dataset, Record]]]:
    """Training images with their weights, and validation images (of the first dataset)."""
    sources, validation = images_of(recipe)
    train: list[Weighted] = [
        (s.dataset, record, s.source.weight) for s in sources for record in s.train
    ]
    return train, [(sources[0].dataset, record) for record in validation]


class RecipeImages:
    """Images with the classes, scale and stain of a recipe.

    Parameters
    ----------
    recipe : Recipe
    """

    def __init__(self, recipe: Recipe) -> None:
        self._mpp = recipe.mpp
        needed = targets_of(recipe)
        self.reads_points = bool(needed & {*OF_POINTS})
        self.reads_outlines = bool(needed - {*OF_POINTS})
        self.taxonomy = Taxonomy.load(recipe.taxonomy)
        self._stain = None if recipe.stain is None else builtin_stain(recipe.stain)

    def to_train(self, dataset: Dataset, record: Record) -> Sample:
        """Read one image of a dataset to train on; see :meth:`load`.

        Raises
        ------
        KaryoscopeError
            If the image has outlines and no loss of the recipe reads outlines, too: it would teach
            nothing.
        """
        sample = self.load(dataset, record)
        if not self.reads_outlines and sample.inst_map.any():
            raise KaryoscopeError(
                f"{dataset.name}, image {record.name}: its labels are outlines, which no loss of"
                " the recipe reads; add losses such as three_label and partial_types, or leave the"
                " dataset out (karyoscope train --data OUTLINES --points POINTS has both)"
            )
        return sample

    def load(self, dataset: Dataset, record: Record) -> Sample:
        """Read one image of a dataset.

        Nuclei that may be several of the model's classes have class 0 and their ``sets``.

        Raises
        ------
        KaryoscopeError
            If the image cannot be read, or has points alone and no loss of the recipe reads
            points: without outlines all of it would be background.
        """
        sample = partly_labelled(dataset, self.taxonomy).load(record)
        if has_points_alone(sample) and not self.reads_points:
            raise KaryoscopeError(
                f"{dataset.name}, image {record.name}: its labels are points without outlines,"
                " which no loss of the recipe reads; add losses such as point_three_label and"
                " point_types (recipe finetune-points), or leave the dataset out"
            )
        if self._stain is None:
            return sample
        return replace(sample, image=stained_image(sample.image, self._stain, self._mpp))


def load_training_bank(recipe: Recipe) -> PixelBank:
    """Read all training images of a recipe into one bank, on the CPU."""
    images = RecipeImages(recipe)
    sources, _ = images_of(recipe)
    samples = (
        without_classes(images.to_train(s.dataset, record), s.dataset.load(record), s.source.ignore)
        if s.source.ignore
        else images.to_train(s.dataset, record)
        for s in sources
        for record in s.train
    )
    of_image = [s.source for s in sources for _ in s.train]
    weights = [source.weight for source in of_image]
    points = [source.points for source in of_image] if images.reads_points else None
    return PixelBank.from_samples(samples, weights, len(images.taxonomy), points)


def without_classes(sample: Sample, annotated: Sample, names: list[str]) -> Sample:
    """A sample in which nuclei of some classes are ignored.

    Parameters
    ----------
    sample : Sample
        The sample, with the classes of a model.
    annotated : Sample
        The same image with the classes of its dataset.
    names : list of str
        Classes of the dataset.

    Raises
    ------
    KaryoscopeError
        If the dataset has no such class.
    """
    left_out = np.isin(annotated.class_map, [annotated.taxonomy.id_of(name) for name in names])
    if sample.ignore is not None:
        left_out |= sample.ignore
    return replace(sample, ignore=left_out)


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
