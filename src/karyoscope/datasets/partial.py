"""A dataset as training data of a model whose classes are others, or finer."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import numpy as np

from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets.base import Dataset, Sample
from karyoscope.datasets.derived import Derived


class PartlyLabelled(Derived):
    """The images of a dataset whose nuclei may be one of several classes of another taxonomy.

    A nucleus with one possible class has that class. All others have class 0, and the sets of their
    possible classes are in ``sets`` of the samples.

    Parameters
    ----------
    dataset : Dataset
        Dataset to read.
    taxonomy : Taxonomy
        Taxonomy of the result.

    Raises
    ------
    KaryoscopeError
        If no class set says which classes of ``taxonomy`` those of the dataset may be; see
        :meth:`Taxonomy.sets_in`.
    """

    def __init__(self, dataset: Dataset, taxonomy: Taxonomy) -> None:
        super().__init__(dataset, taxonomy=taxonomy)
        self._sets = dataset.taxonomy.sets_in(taxonomy)
        self._table = np.zeros(256, np.uint8)
        for class_id in taxonomy.ids:
            self._table[self._sets == 1 << class_id] = class_id

    def change(self, sample: Sample) -> Sample:
        """Return an image with the set of possible classes of each nucleus."""
        of_nucleus = self._sets[sample.classes]
        classes = self._table[sample.classes]
        points = of_point = None
        if sample.points is not None:
            named = sample.points[:, 2].astype(np.int64)
            points = np.column_stack([sample.points[:, :2], self._table[named]])
            of_point = self._sets[named]
        return replace(
            sample,
            classes=classes,
            sets=of_nucleus,
            points=points,
            point_sets=of_point,
            taxonomy=self.taxonomy,
        )

    def of(self, dataset: Dataset) -> Self:
        """Return another dataset in the same classes."""
        return type(self)(dataset, self.taxonomy)


def partly_labelled(dataset: Dataset, taxonomy: Taxonomy) -> Dataset:
    """The dataset as training data of a model with other classes; see :class:`PartlyLabelled`."""
    return dataset if dataset.taxonomy == taxonomy else PartlyLabelled(dataset, taxonomy)
