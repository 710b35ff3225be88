"""Lizard: colon nuclei of six classes at 20x (Graham et al., ICCVW 2021)."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import scipy.io
from scipy import ndimage

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets.base import Record, Sample
from karyoscope.datasets.describe import write_description
from karyoscope.datasets.files import by_stem, grouped, mat_keys, pair, read_mat, read_table
from karyoscope.datasets.image_files import read_rgb
from karyoscope.datasets.labels import class_lookup, label_map
from karyoscope.datasets.on_disk import DatasetOnDisk
from karyoscope.datasets.writing import write_png


class Lizard(DatasetOnDisk):
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
    taxonomy, mpp : Taxonomy, float, optional
        See :class:`DatasetOnDisk`.

    Raises
    ------
    KaryoscopeError
        If there is no such folder, or no labelled image in it.
    """

    name = "lizard"
    published_taxonomy = "lizard"
    published_mpp = 0.5

    def __init__(
        self,
        root: str | Path,
        info: str | Path | None = None,
        *,
        taxonomy: Taxonomy | None = None,
        mpp: float | None = None,
    ) -> None:
        self._info = Path(info or Path(root) / "Lizard_Labels" / "info.csv")
        super().__init__(root, taxonomy=taxonomy, mpp=mpp)

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether there is a folder of Lizard labels."""
        if (root / "Lizard_Labels").is_dir():
            return True
        first = next(iter(sorted((root / "Labels").glob("*.mat"))), None)
        return first is not None and {"inst_map", "id", "class"} <= mat_keys(first)

    def find(self) -> Iterator[Record]:
        """Pair labels with images and look their sources up."""
        published = self.root / "Lizard_Labels" / "Labels"
        folder = published if published.is_dir() else self.root / "Labels"
        if not folder.is_dir():
            raise KaryoscopeError(f"{self.root}: not a Lizard folder, it has no labels folder")
        images = by_stem(
            path
            for place in [*self.root.glob("Lizard_Images*"), self.root / "Images"]
            for path in place.glob("*")
        )
        labels = grouped(folder.glob("*.mat"))
        table = self._read_info()
        self._files = {}
        for stem, label, image in pair(labels, images, self.problems):
            self._files[stem] = (label, image)
            cohort = stem.rpartition("_")[0]
            source, split = table.get(stem, ("None", ""))
            # The published table has no source for some images; each is then its own.
            source = stem if source == "None" else source.partition("-lv1-")[0]
            yield Record(stem, f"{cohort}:{source}", cohort, split)

    def _read_info(self) -> dict[str, tuple[str, str]]:
        rows = read_table(self._info, "Filename", "Source", "Split")
        return {r["Filename"]: (r["Source"], r["Split"]) for r in rows}

    def load(self, record: Record) -> Sample:
        """Read one image with its labels; see :meth:`Dataset.load`."""
        path, image = self._files[record.name]
        mat = read_mat(path, "inst_map", "id", "class")
        inst_map = label_map(mat["inst_map"], path)
        if mat["id"].size != mat["class"].size:
            raise KaryoscopeError(f"{path}: {mat['id'].size} ids but {mat['class'].size} classes")
        classes = class_lookup(mat["id"], mat["class"], inst_map.max(initial=0), path)
        return self.sample(record, path, read_rgb(image), inst_map, classes)


def write_lizard(samples: Iterable[Sample], root: Path, taxonomy: Taxonomy) -> None:
    """Write samples in Lizard's layout.

    ``bbox`` holds first row, last row + 1, first column, last column + 1; ``centroid`` x and y
    with the origin at the centre of the top left pixel, as published.
    """
    labels = root / "Lizard_Labels" / "Labels"
    labels.mkdir(parents=True)
    records = []
    for sample in samples:
        name = sample.record.name
        records.append((sample.record, sample.mpp))
        write_png(root / "Lizard_Images" / f"{name}.png", sample.image)
        scipy.io.savemat(labels / f"{name}.mat", _mat(sample), do_compression=True)
    with (labels.parent / "info.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("Filename", "Source", "Split"))
        writer.writerows((r.name, r.source, r.split) for r, _ in records)
    write_description(root, "lizard", taxonomy, records)


def _mat(sample: Sample) -> dict[str, np.ndarray]:
    boxes = ndimage.find_objects(sample.inst_map)
    ids = np.array([i + 1 for i, box in enumerate(boxes) if box is not None], np.int32)
    corners = [
        (rows.start, rows.stop, columns.start, columns.stop)
        for rows, columns in (box for box in boxes if box is not None)
    ]
    centres = ndimage.center_of_mass(sample.inst_map > 0, sample.inst_map, ids)
    return {
        "inst_map": sample.inst_map,
        "id": ids[:, None],
        "class": sample.classes[ids][:, None],
        "bbox": np.array(corners, np.int32).reshape(-1, 4),
        "centroid": np.array(centres, np.float64).reshape(-1, 2)[:, ::-1],
    }
