"""What all published layouts have in common: a folder, a scale, classes, files in pairs."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets._describe import RECORDS, read_description
from karyoscope.datasets.base import Dataset, Record, Sample


class DatasetOnDisk(Dataset):
    """A dataset in a folder.

    Subclasses set ``name``, ``published_taxonomy`` and ``published_mpp`` and implement
    :meth:`find`, :meth:`recognises` and :meth:`load`. A ``dataset.yaml`` or ``records.csv`` in
    the folder takes precedence over what the layout implies, and arguments over both.

    Parameters
    ----------
    root : path
        Folder of the dataset.
    taxonomy : Taxonomy, optional
        What the class ids mean, where they are not the published classes.
    mpp : float, optional
        Micrometres per pixel, where it is not the published one.

    Raises
    ------
    KaryoscopeError
        If there is no such folder, or no labelled image in it.
    """

    published_taxonomy = "nucleus"
    published_mpp = math.nan

    def __init__(
        self, root: str | Path, *, taxonomy: Taxonomy | None = None, mpp: float | None = None
    ) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise KaryoscopeError(f"{self.root}: no such folder")
        described = read_description(self.root)
        self.given_taxonomy = taxonomy or described.taxonomy
        self.taxonomy = self.given_taxonomy or Taxonomy.load(self.published_taxonomy)
        self._given_mpp = described.mpp if mpp is None else mpp
        self._scales = described.scales if mpp is None else {}
        self.scale = self.published_mpp if self._given_mpp is None else self._given_mpp
        self.problems = []
        found = {record.name: record for record in self.find()}
        for name in sorted(described.records.keys() - found.keys()):
            self.problems.append(f"{RECORDS}: no readable image called {name}")
        self.records = [described.records.get(name, found[name]) for name in sorted(found)]
        if not self.records:
            more = f"; {self.problems[0]}" if self.problems else ""
            raise KaryoscopeError(f"{self.root}: no labelled image in the {self.name} layout{more}")

        self._check_scales()

    def _check_scales(self) -> None:
        scales = [s for s in (self.scale, *self._scales.values()) if not math.isnan(s)]
        strange = [s for s in scales if not 0 < s < 100]
        if strange:
            raise KaryoscopeError(
                f"{self.root}: {strange[0]} is no number of micrometres per pixel"
            )

    @property
    def mpp(self) -> float:  # type: ignore[override]
        """Micrometres per pixel; an error where neither the files nor the caller say."""
        if math.isnan(self.scale):
            raise KaryoscopeError(
                f"{self.root}: micrometres per pixel unknown; give --mpp, or write mpp: to"
                " dataset.yaml"
            )
        return self.scale

    @classmethod
    @abstractmethod
    def recognises(cls, root: Path) -> bool:
        """Whether a folder looks like this layout, judged by names and headers alone."""

    @abstractmethod
    def find(self) -> Iterable[Record]:
        """List the images and note problems; called once, when constructed."""

    def sample(
        self,
        record: Record,
        path: Path,
        image: np.ndarray,
        inst_map: np.ndarray,
        classes: np.ndarray,
        mpp: float = math.nan,
        **rest: Any,
    ) -> Sample:
        """Build a sample, after checking that sizes agree and classes exist.

        Parameters
        ----------
        record, image, inst_map, classes, **rest
            See :class:`Sample`.
        path : Path
            Named in errors.
        mpp : float, optional
            What the image's own files state; counts unless the caller or ``dataset.yaml`` says.

        Raises
        ------
        KaryoscopeError
            If they do not; the message names ``path``.
        """
        if inst_map.shape != image.shape[:2]:
            raise KaryoscopeError(
                f"{path}: label map is {inst_map.shape}, image is {image.shape[:2]}"
            )
        strange = sorted({int(c) for c in np.unique(classes)} - {0, *self.taxonomy.ids})
        if strange:
            raise KaryoscopeError(
                f"{path}: class {strange[0]} is not in taxonomy {self.taxonomy.name!r}"
            )
        own = self.scale if self._given_mpp is not None or math.isnan(mpp) else mpp
        own = self._scales.get(record.name, own)
        return Sample(record, image, inst_map, classes, self.taxonomy, own, **rest)
