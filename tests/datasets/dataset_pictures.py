"""Real nuclei that are written in a layout, and must be read back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from scipy import ndimage

from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets.base import Record, Sample

DATA = Path(__file__).parents[1] / "data"


@dataclass(frozen=True)
class Picture:
    """What is written, and what must be read back."""

    name: str
    split: str
    image: np.ndarray
    inst_map: np.ndarray
    classes: np.ndarray
    points: np.ndarray | None = None

    def sample(self, taxonomy: Taxonomy, mpp: float) -> Sample:
        record = Record(self.name, self.name, "", self.split)
        return Sample(record, self.image, self.inst_map, self.classes, taxonomy, mpp)

    def write_image(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), cv2.cvtColor(self.image, cv2.COLOR_RGB2BGR))


@dataclass(frozen=True)
class LayoutCase:
    """How to write a layout, and what reading it should give.

    Attributes
    ----------
    write : callable
        Writes the pictures into a folder.
    labels, images : str
        Where the files lie, one an image each; empty for layouts that are single arrays.
    numbers_classes : bool
        Whether classes are numbers in the files, which a taxonomy has to name.
    outlines : bool
        Whether nuclei are outlines, and so have no size of image of their own.
    points : bool
        Whether nuclei are points, without any pixel.
    states_scale : bool
        Whether the layout has a published pixel size, or states one.
    """

    write: Callable[[Path, list[Picture]], None]
    names: tuple[str, str] = ("a_1", "b_2")
    splits: tuple[str, str] = ("", "")
    taxonomy: str = "nucleus"
    labels: str = "**/*.mat"
    images: str = "**/*.png"
    size: tuple[int, int] = (96, 120)
    numbers_classes: bool = True
    outlines: bool = False
    points: bool = False
    states_scale: bool = True

    @property
    def files(self) -> bool:
        """Whether every image is a file, and its labels another."""
        return bool(self.labels and self.images)


@cache
def _real(stem: str) -> tuple[np.ndarray, np.ndarray]:
    image = cv2.imread(str(DATA / "dsb2018" / "images" / f"{stem}.png"), cv2.IMREAD_COLOR_RGB)
    labels = cv2.imread(str(DATA / "dsb2018" / "labels" / f"{stem}.png"), cv2.IMREAD_UNCHANGED)
    return image, labels.astype(np.int32)


def _apart(inst_map: np.ndarray) -> np.ndarray:
    """The nuclei without holes, each in one piece, none touching another."""
    apart = np.zeros_like(inst_map)
    number = 0
    for i, box in enumerate(ndimage.find_objects(inst_map), start=1):
        if box is None:
            continue
        parts, count = ndimage.label(ndimage.binary_fill_holes(inst_map[box] == i))
        if count == 0:
            continue
        mask = np.zeros(inst_map.shape, bool)
        mask[box] = parts == 1 + np.bincount(parts.ravel())[1:].argmax()
        near = ndimage.binary_dilation(mask, np.ones((3, 3)))
        if mask.sum() >= 12 and not (apart[near] > 0).any():
            number += 1
            apart[mask] = number
    return apart


def pictures(case: LayoutCase) -> list[Picture]:
    taxonomy = Taxonomy.load(case.taxonomy)
    made = []
    for stem, name, split in zip(
        ("00ae65c1c663", "708eb41a3fc8"), case.names, case.splits, strict=True
    ):
        image, inst_map = (array[: case.size[0], : case.size[1]] for array in _real(stem))
        inst_map = _apart(inst_map)
        classes = np.resize(taxonomy.ids, inst_map.max() + 1).astype(np.uint8)
        classes[0] = 0
        made.append(Picture(name, split, image.copy(), inst_map, classes))
    return made


def same_partition(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two label maps are equal up to the numbering."""
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1)
    return (
        all(len(np.unique(side)) == pairs.shape[1] for side in pairs)
        and not ((pairs == 0).any(0) & (pairs != 0).any(0)).any()
    )
