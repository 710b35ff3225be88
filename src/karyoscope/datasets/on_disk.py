"""What all published layouts have in common: a folder, a scale, classes, files in pairs."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.scale import LARGEST_MPP, SMALLEST_MPP, is_plausible
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets.base import Dataset, Record, Sample
from karyoscope.datasets.describe import RECORDS, read_description


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
        Names of the class ids, where they are not the published classes.
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
        number = isinstance(mpp, (int, float)) and not isinstance(mpp, bool)
        if mpp is not None and (not number or math.isnan(mpp)):
            raise KaryoscopeError(
                f"{self.root}: --mpp {mpp!r} is no number of micrometres per pixel"
            )
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
        strange = [s for s in scales if not is_plausible(s)]
        if strange:
            raise KaryoscopeError(
                f"{self.root}: {strange[0]} is no number of micrometres per pixel, which is from"
                f" {SMALLEST_MPP:g} to {LARGEST_MPP:g} (0.25 at 40x, 0.5 at 20x)"
            )

    @property
    def mpp(self) -> float:  # type: ignore[override]
        """Micrometres per pixel; an error if neither the files nor the caller state it."""
        if math.isnan(self.scale):
            raise KaryoscopeError(
                f"{self.root}: micrometres per pixel unknown; give --mpp, or write mpp: to"
                " dataset.yaml"
            )
        return self.scale

    def _described(self) -> str:
        """Name of the folder, images, classes and scale, in a line."""
        scale = "" if math.isnan(self.scale) else f", {self.scale:g} µm/px"
        return f"{self.root.name!r}: {super()._described()}{scale}"

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
        points: np.ndarray | None = None,
        **rest: Any,
    ) -> Sample:
        """Build a sample, after checking that sizes agree and classes exist.

        Parameters
        ----------
        record, image, inst_map, classes, points, **rest : fields of a Sample
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
        if points is not None:
            _check_points(points, image.shape[:2], path)
        own = self.scale if self._given_mpp is not None or math.isnan(mpp) else mpp
        own = self._scales.get(record.name, own)
        return Sample(record, image, inst_map, classes, self.taxonomy, own, points, **rest)


def _check_points(points: np.ndarray, shape: tuple[int, ...], path: Path) -> None:
    """Refuse points that are on no pixel of the image, as where they are of another scale."""
    places = points[:, :2]
    inside = (places >= -1) & (places <= np.array(shape[::-1]) + 1)  # false for NaN
    outside = places[~inside.all(1)]
    if len(outside):
        x, y = outside[0]
        raise KaryoscopeError(
            f"{path}: the point {x:g}, {y:g} is not in the image of {shape[1]} x {shape[0]} pixels"
        )
