"""A dataset with its classes mapped to another class set."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets.base import Dataset, Sample
from karyoscope.datasets.derived import Derived


class Merged(Derived):
    """The images of a dataset, their classes mapped to another taxonomy.

    Nuclei whose class has no counterpart keep their outlines and get class 0.

    Parameters
    ----------
    dataset : Dataset
        Dataset to read.
    taxonomy : Taxonomy
        The classes wanted.

    Raises
    ------
    KaryoscopeError
        If there is no mapping between the two.
    """

    def __init__(self, dataset: Dataset, taxonomy: Taxonomy) -> None:
        super().__init__(dataset, taxonomy=taxonomy)
        self._table = dataset.taxonomy.lookup_to(taxonomy)

    def change(self, sample: Sample) -> Sample:
        """Return an image with its classes mapped."""
        points = sample.points
        if points is not None:
            points = np.column_stack([points[:, :2], self._table[points[:, 2].astype(np.int64)]])
        classes = self._table[sample.classes]
        return replace(sample, classes=classes, points=points, taxonomy=self.taxonomy)

    def of(self, dataset: Dataset) -> Self:
        """Return another dataset in the same classes."""
        return type(self)(dataset, self.taxonomy)


def merge_classes(dataset: Dataset, taxonomy: Taxonomy) -> Dataset:
    """The dataset with its classes named by another taxonomy, such as CoNSeP's merged to four."""
    return dataset if dataset.taxonomy == taxonomy else Merged(dataset, taxonomy)


def common_taxonomy(first: Taxonomy, second: Taxonomy) -> Taxonomy:
    """Finest class set that the classes of two taxonomies can be mapped to.

    Either of the two, or the shipped taxonomy with the most classes to which both map: a model
    with PanNuke's classes and the labels of Lizard meet in ``consep4``.

    Raises
    ------
    KaryoscopeError
        If there is none.
    """
    shipped = [Taxonomy.load(name) for name in Taxonomy.shipped()]
    candidates = [first, second, *sorted(shipped, key=lambda t: (-len(t), t.name))]
    for candidate in candidates:
        if all(maps_to(source, candidate) for source in (first, second)):
            return candidate
    raise KaryoscopeError(f"taxonomies {first.name!r} and {second.name!r} have nothing in common")


def maps_to(source: Taxonomy, target: Taxonomy) -> bool:
    """Whether every class of one taxonomy has a counterpart in another."""
    if source.name == target.name:
        return True
    try:
        return bool(source.lookup_to(target)[list(source.ids)].all())
    except KaryoscopeError:
        return False
