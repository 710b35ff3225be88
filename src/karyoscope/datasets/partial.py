"""A dataset as training data of a model whose classes are others, or finer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets.base import Dataset, Record, Sample


class PartlyLabelled(Dataset):
    """The images of a dataset whose nuclei may be one of several classes of another taxonomy.

    Nuclei of one possible class have it as their class, all others have class 0; what they may be
    is in ``sets`` of the samples.

    Parameters
    ----------
    dataset : Dataset
        What is read.
    taxonomy : Taxonomy
        The classes wanted.

    Raises
    ------
    KaryoscopeError
        If nothing says what the dataset's classes may be; see :meth:`Taxonomy.sets_in`.
    """

    def __init__(self, dataset: Dataset, taxonomy: Taxonomy) -> None:
        self._dataset = dataset
        self._sets = dataset.taxonomy.sets_in(taxonomy)
        self._table = np.zeros(256, np.uint8)
        for class_id in taxonomy.ids:
            self._table[self._sets == 1 << class_id] = class_id
        self.name = dataset.name
        self.taxonomy = taxonomy
        self.records = dataset.records
        self.problems = dataset.problems

    @property
    def mpp(self) -> float:  # type: ignore[override]
        """Micrometres per pixel."""
        return self._dataset.mpp

    def load(self, record: Record) -> Sample:
        """Read one image with its labels; see :meth:`Dataset.load`."""
        sample = self._dataset.load(record)
        of_nucleus = self._sets[sample.classes]
        classes = self._table[sample.classes]
        return replace(sample, classes=classes, sets=of_nucleus, taxonomy=self.taxonomy)

    def whole(self) -> Dataset:
        """The whole images, through the same class set."""
        whole = self._dataset.whole()
        return self if whole is self._dataset else PartlyLabelled(whole, self.taxonomy)


def partly_labelled(dataset: Dataset, taxonomy: Taxonomy) -> Dataset:
    """The dataset as training data of a model with other classes; see :class:`PartlyLabelled`."""
    return dataset if dataset.taxonomy == taxonomy else PartlyLabelled(dataset, taxonomy)
