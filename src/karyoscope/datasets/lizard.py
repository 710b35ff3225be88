"""Lizard: colon nuclei of six classes at 20x (Graham et al., ICCVW 2021)."""

from __future__ import annotations

import csv
from pathlib import Path

from karyoscope.datasets._files import class_lookup, image_by_stem, read_mat, read_rgb
from karyoscope.datasets.base import Dataset, Record, Sample
from karyoscope.errors import KaryoscopeError
from karyoscope.taxonomy import Taxonomy


class Lizard(Dataset):
    """The published layout: ``Lizard_Images*/``, ``Lizard_Labels/Labels/*.mat``, ``info.csv``.

    A flat layout with ``Images/`` and ``Labels/`` and no ``info.csv`` is read as well; each
    image is then a source of its own. Cohorts are the prefixes of the names (``glas``, ``crag``,
    ``consep``, ``dpath``, ``pannuke``); splits are the authors' three folds, ``"1"`` to ``"3"``.

    The ``source`` of a record is the slide where the published table names one (DigestPath regions
    are called ``<slide>-lv1-x-y-w-h``), else the source image.

    Parameters
    ----------
    root : path
        Folder that holds the above.
    info : path, optional
        The published table of sources, where it is not in its place.

    Raises
    ------
    KaryoscopeError
        If there is no such folder, or no labelled image in it.
    """

    name = "lizard"
    mpp = 0.5

    def __init__(self, root: str | Path, info: str | Path | None = None) -> None:
        self.root = Path(root)
        self.taxonomy = Taxonomy.load("lizard")
        self.problems = []
        published = self.root / "Lizard_Labels" / "Labels"
        labels = published if published.is_dir() else self.root / "Labels"
        if not labels.is_dir():
            raise KaryoscopeError(f"{self.root} is not a Lizard folder: it has no labels folder")
        table = self._read_info(Path(info or self.root / "Lizard_Labels" / "info.csv"))
        self._images: dict[str, Path] = {}
        for folder in [*sorted(self.root.glob("Lizard_Images*")), self.root / "Images"]:
            self._images |= image_by_stem(folder)
        self._labels = {p.stem: p for p in sorted(labels.glob("*.mat"))}
        self.records = []
        for stem in sorted(self._labels):
            if stem not in self._images:
                self.problems.append(f"{self._labels[stem].name}: no image of that name")
                continue
            cohort = stem.rpartition("_")[0]
            source, split = table.get(stem, ("None", ""))
            # The published table has no source for some images; each is then its own.
            source = stem if source == "None" else source.partition("-lv1-")[0]
            source = f"{cohort}:{source}"
            self.records.append(Record(stem, source, cohort, split))
        unlabelled = sorted(self._images.keys() - self._labels.keys())
        self.problems += [f"{stem}: image without labels" for stem in unlabelled]
        if not self.records:
            raise KaryoscopeError(f"{self.root} holds no labelled Lizard image")

    @staticmethod
    def _read_info(path: Path) -> dict[str, tuple[str, str]]:
        if not path.is_file():
            return {}
        with path.open(encoding="utf-8-sig", newline="") as file:
            return {r["Filename"]: (r["Source"], r["Split"]) for r in csv.DictReader(file)}

    def load(self, record: Record) -> Sample:
        """Read one image with its labels; see :meth:`Dataset.load`."""
        image = read_rgb(self._images[record.name])
        path = self._labels[record.name]
        mat = read_mat(path, "inst_map", "id", "class")
        inst_map = mat["inst_map"].astype("int32")
        if inst_map.shape != image.shape[:2]:
            raise KaryoscopeError(
                f"{path}: label map is {inst_map.shape}, image is {image.shape[:2]}"
            )
        classes = class_lookup(mat["id"], mat["class"], inst_map.max(initial=0))
        return Sample(record, image, inst_map, classes, self.taxonomy, self.mpp)
