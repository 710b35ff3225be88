"""CoNIC 2022: patches of Lizard as arrays (Graham et al., Medical Image Analysis 2024)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets.base import Dataset, Record, Sample
from karyoscope.datasets.conic_patches import POSITION_COLUMNS, POSITIONS, SIZE, SOURCE_IDS
from karyoscope.datasets.files import map_npy, read_table
from karyoscope.datasets.labels import label_map, majority_class
from karyoscope.datasets.on_disk import DatasetOnDisk


class Conic(DatasetOnDisk):
    """``images.npy``, ``labels.npy``, ``patch_info.csv`` and ``counts.csv``.

    The arrays are mapped into memory, not read. Each patch is a record, called
    ``<image>-<number>``; its source is the image, its cohort the image's prefix. Without
    ``patch_info.csv`` every patch is a source of its own, and that is named as a problem.
    """

    name = "conic"
    published_taxonomy = "lizard"
    published_mpp = 0.5

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether both arrays are there."""
        return (root / "images.npy").is_file() and (root / "labels.npy").is_file()

    def find(self) -> Iterator[Record]:
        """Open the arrays and read the names of the patches."""
        for name in ("images.npy", "labels.npy"):
            if not (self.root / name).is_file():
                raise KaryoscopeError(f"{self.root}: not CoNIC arrays, {name} is missing")
        self._images = map_npy(self.root / "images.npy")
        self._labels = map_npy(self.root / "labels.npy")
        if self._images.ndim != 4 or self._images.shape[-1] != 3:
            raise KaryoscopeError(f"{self.root / 'images.npy'}: shape {self._images.shape}")
        if self._labels.shape != (*self._images.shape[:3], 2):
            raise KaryoscopeError(
                f"{self.root}: labels.npy has shape {self._labels.shape},"
                f" images.npy {self._images.shape}"
            )
        names = self._names()
        self._index = {name: i for i, name in enumerate(names)}
        if len(self._index) != len(names):
            raise KaryoscopeError(f"{self.root / 'patch_info.csv'}: two patches have one name")
        for name in names:
            image = name.rpartition("-")[0] or name
            cohort = image.rpartition("_")[0]
            yield Record(name, f"{cohort}:{image}" if cohort else image, cohort)

    def _names(self) -> list[str]:
        path = self.root / "patch_info.csv"
        if not path.is_file():
            self.problems.append("patch_info.csv: missing, every patch counts as its own source")
            return [f"patch_{i:05d}" for i in range(len(self._images))]
        names = [next(iter(row.values())) for row in read_table(path)]
        if len(names) != len(self._images):
            raise KaryoscopeError(f"{path}: {len(names)} names for {len(self._images)} patches")
        return names

    def load(self, record: Record) -> Sample:
        """Read one patch; see :meth:`Dataset.load`."""
        index = self._index[record.name]
        path = self.root / "labels.npy"
        inst_map = label_map(self._labels[index, ..., 0], path)
        classes = majority_class(inst_map, self._labels[index, ..., 1])
        image = np.array(self._images[index]).astype(np.uint8)
        return self.sample(record, path, image, inst_map, classes)

    def whole(self) -> Dataset:
        """Dataset of the images that the patches were cut from, if ``patches.csv`` describes it."""
        return WholeImages(self) if (self.root / POSITIONS).is_file() else self


class WholeImages(Dataset):
    """Images put together from patches that :func:`write_conic` cut."""

    name = "conic"

    def __init__(self, patches: Conic) -> None:
        self._patches = patches
        self.taxonomy = patches.taxonomy
        self.problems = patches.problems
        self._rows: dict[str, list[dict[str, str]]] = defaultdict(list)
        self._ids: dict[str, np.ndarray] = {}
        ids, start = map_npy(patches.root / SOURCE_IDS), 0
        for row in read_table(patches.root / POSITIONS, *POSITION_COLUMNS):
            self._rows[row["image"]].append(row)
            stop = start + int(row["nuclei"])
            self._ids[row["patch_info"]] = np.concatenate([[0], ids[start:stop]])
            start = stop
        if start != len(ids):
            raise KaryoscopeError(f"{patches.root}: {SOURCE_IDS} does not belong to {POSITIONS}")
        by_name = {record.name: record for record in patches.records}
        self.records = [
            replace(by_name[rows[0]["patch_info"]], name=image)
            for image, rows in sorted(self._rows.items())
            if rows[0]["patch_info"] in by_name
        ]

    @property
    def mpp(self) -> float:  # type: ignore[override]
        """Micrometres per pixel."""
        return self._patches.mpp

    def load(self, record: Record) -> Sample:
        """Put one image together; see :meth:`Dataset.load`."""
        rows = self._rows[record.name]
        height, width = int(rows[0]["height"]), int(rows[0]["width"])
        image = np.zeros((height, width, 3), np.uint8)
        inst_map = np.zeros((height, width), np.int32)
        patches = [self._patches.load(replace(record, name=row["patch_info"])) for row in rows]
        largest = max(int(self._ids[row["patch_info"]].max()) for row in rows)
        classes = np.zeros(largest + 1, np.uint8)
        for row, patch in zip(rows, patches, strict=True):
            y, x = int(row["y"]), int(row["x"])
            # A patch of a smaller image starts outside it: only the part inside is the image.
            top, left = max(0, y), max(0, x)
            bottom, right = min(height, y + SIZE), min(width, x + SIZE)
            inside = (slice(top - y, bottom - y), slice(left - x, right - x))
            ids = self._ids[row["patch_info"]]
            image[top:bottom, left:right] = patch.image[inside]
            inst_map[top:bottom, left:right] = ids[patch.inst_map[inside]]
            classes[ids[: len(patch.classes)]] = patch.classes
        classes[0] = 0
        return Sample(record, image, inst_map, classes, self.taxonomy, patches[0].mpp)
