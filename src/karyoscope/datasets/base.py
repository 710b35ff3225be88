"""What every dataset yields, and what every dataset must offer."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.plugins import blamed
from karyoscope.core.taxonomy import Taxonomy


@dataclass(frozen=True)
class Record:
    """Description of an annotated image, known before its pixels are read.

    Attributes
    ----------
    name : str
        Unique within the dataset; the stem of its files.
    source : str
        The slide, patient or larger image it was cut from. Splits never divide a source.
    cohort : str
        Centre or sub-dataset, such as ``"glas"``; empty where the dataset has one.
    split : str
        The split or fold that the dataset's authors publish; empty where there is none.
    """

    name: str
    source: str
    cohort: str = ""
    split: str = ""


@dataclass(frozen=True)
class Sample:
    """One annotated image.

    Attributes
    ----------
    record : Record
        Name, source, cohort and published split.
    image : ndarray of uint8, shape (h, w, 3)
        RGB.
    inst_map : ndarray of int32, shape (h, w)
        Id of the nucleus at each pixel, 0 where there is none. Ids may have gaps.
    classes : ndarray of uint8, shape (largest id + 1,)
        Class of each id, so that ``classes[inst_map]`` is the class map; ``classes[0]`` is 0,
        and 0 elsewhere means "a nucleus whose class is not labelled".
    taxonomy : Taxonomy
        Names of the classes.
    mpp : float
        Micrometres per pixel; NaN where neither the files nor the caller say.
    points : ndarray of float64, shape (n, 3), or None
        For datasets of points instead of outlines: x, y (pixels, origin at the corner of the
        top left pixel) and class; ``inst_map`` is then all zero.
    ignore : ndarray of bool, shape (h, w), or None
        Pixels that the annotators marked as ambiguous; neither trained on nor scored.
    sets : ndarray of int64, shape (largest id + 1,), or None
        For training on labels that are coarser than ``taxonomy``: the classes that each nucleus
        may be, bit c for class id c, 0 where that is unknown. ``classes`` then holds those of
        one class alone. None where ``classes`` says all.
    point_sets : ndarray of int64, shape (n,), or None
        As ``sets``, of each of the points.
    """

    record: Record
    image: np.ndarray
    inst_map: np.ndarray
    classes: np.ndarray
    taxonomy: Taxonomy
    mpp: float
    points: np.ndarray | None = None
    ignore: np.ndarray | None = None
    sets: np.ndarray | None = None
    point_sets: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(f"{self.record.name}: image must be (h, w, 3) uint8")
        if self.inst_map.shape != self.image.shape[:2]:
            raise ValueError(
                f"{self.record.name}: label map is {self.inst_map.shape},"
                f" image is {self.image.shape[:2]}"
            )
        if len(self.classes) <= int(self.inst_map.max(initial=0)) or self.classes[0] != 0:
            raise ValueError(f"{self.record.name}: no class for some ids of the label map")

    def __repr__(self) -> str:
        height, width = self.inst_map.shape
        if self.points is None:
            present = np.unique(self.inst_map)
            held = f"{int((present != 0).sum())} nuclei"
        else:
            held = f"{len(self.points)} points"
        scale = "" if math.isnan(self.mpp) else f" at {self.mpp:g} µm/px"
        return f"Sample({self.record.name!r}, {width} x {height} px{scale}: {held})"

    @property
    def class_map(self) -> np.ndarray:
        """Class at each pixel, uint8, shape (h, w)."""
        return self.classes[self.inst_map]


class Dataset(ABC):
    """A published annotation layout on disk, read one image at a time.

    Subclasses set ``name``, fill ``records`` and ``problems`` when constructed (without reading
    pixels) and implement :meth:`load`.

    Attributes
    ----------
    name : str
        Short name in the registry, such as ``"lizard"``.
    taxonomy : Taxonomy
        Classes of the annotation.
    mpp : float
        Micrometres per pixel of the images. Where single images state their own, this is the
        nominal value, and that of the sample counts.
    records : list of Record
        The readable images, sorted by name.
    problems : list of str
        One line for every file that is missing, damaged or does not match; such images are left
        out of ``records``.
    """

    name: str
    taxonomy: Taxonomy
    mpp: float
    records: list[Record]
    problems: list[str]

    @abstractmethod
    def load(self, record: Record) -> Sample:
        """Read one image with its labels.

        Raises
        ------
        KaryoscopeError
            If a file is damaged or its label map does not fit the image.
        """

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._described()})"

    def _described(self) -> str:
        """Images and classes, in a line."""
        return f"{len(self.records)} images, {len(self.taxonomy)} classes"

    def __getitem__(self, index: int) -> Sample:
        """Sample by its place among the records, which is all that PyTorch's ``DataLoader`` asks.

        Parameters
        ----------
        index : int

        Raises
        ------
        IndexError
            If there is no such record.
        KaryoscopeError
            If it cannot be read; see :meth:`load`.
        """
        return self.load(self.records[index])

    def __iter__(self) -> Iterator[Sample]:
        """Samples in the order of the records; a damaged one is named and left out."""
        for record in list(self.records):
            try:
                with blamed():
                    sample = self.load(record)
            except KaryoscopeError as error:
                self.problems.append(str(error))
                self.records.remove(record)
                continue
            yield sample

    def whole(self) -> Dataset:
        """Dataset of the whole images, if the images of this one are patches of them."""
        return self
