"""Datasets derived from others by a change of every image when it is read."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets.base import Dataset, Record, Sample


class Derived(Dataset):
    """The images of a dataset in other classes or at another scale.

    Subclasses implement :meth:`change` and :meth:`of`.

    Parameters
    ----------
    dataset : Dataset
        Dataset to read. Records and problems are shared with it.
    taxonomy : Taxonomy, optional
        Classes of the changed images; those of ``dataset`` by default.
    mpp : float, optional
        Micrometres per pixel of the changed images; those of ``dataset`` by default.
    """

    def __init__(
        self, dataset: Dataset, *, taxonomy: Taxonomy | None = None, mpp: float | None = None
    ) -> None:
        self._dataset = dataset
        self._mpp = mpp
        self.name = dataset.name
        self.taxonomy = dataset.taxonomy if taxonomy is None else taxonomy
        self.records = dataset.records
        self.problems = dataset.problems

    @property
    def mpp(self) -> float:  # type: ignore[override]
        """Micrometres per pixel."""
        return self._dataset.mpp if self._mpp is None else self._mpp

    @abstractmethod
    def change(self, sample: Sample) -> Sample:
        """Return the changed image."""

    @abstractmethod
    def of(self, dataset: Dataset) -> Self:
        """Return another dataset with the same change."""

    def load(self, record: Record) -> Sample:
        """Read one image with its labels; see :meth:`Dataset.load`."""
        return self.change(self._dataset.load(record))

    def whole(self) -> Dataset:
        """Return the whole images, with the same change."""
        whole = self._dataset.whole()
        return self if whole is self._dataset else self.of(whole)
