"""A plain folder of images and label images: users' own data, and DSB 2018 as instance maps."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets.base import Record, Sample
from karyoscope.datasets.describe import write_description
from karyoscope.datasets.files import (
    FilesByStem,
    by_stem,
    grouped,
    pair,
    patient_of,
    read_table,
    split_of,
)
from karyoscope.datasets.image_files import read_plain, read_rgb
from karyoscope.datasets.labels import (
    LABEL_SUFFIXES,
    class_lookup,
    one_class,
    read_label_image,
    whole_ids,
)
from karyoscope.datasets.on_disk import DatasetOnDisk
from karyoscope.datasets.palette import taxonomy_of
from karyoscope.datasets.writing import write_label_image, write_png

_IMAGES = ("images", "image", "imgs")
_LABELS = ("labels", "label", "masks", "mask")
_ENDINGS = ("_label", "_labels", "_mask", "_masks", "_instances")
_IGNORE = "_ignore"
_POINTS = "_points"


class Folder(DatasetOnDisk):
    """``images/<name>.<suffix>`` with ``labels/<name>.<suffix>``, or ``<name>_label`` beside it.

    A label image holds the id of the nucleus at each pixel, 0 elsewhere; ``masks`` is another
    name for ``labels``, and ``_mask`` for ``_label``. A table ``<label name>.csv`` with the
    columns ``id`` and ``class`` (a name or a number) gives classes; without tables there is one
    class. ``<name>_ignore.png`` marks ambiguous pixels, ``<name>_points.csv`` (x, y, class) holds
    points, and stands alone where nuclei are points. Folders called train, val or test above are
    splits. The pixel size is in ``dataset.yaml``, or has to be given.

    A file named by a TCGA barcode has that patient as its source, any other is a source of its
    own unless ``records.csv`` says so.
    """

    name = "folder"

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether there is a folder of labels, or an image with a label beside it."""
        return bool(_label_files(root))

    def find(self) -> Iterator[Record]:
        """Pair label images with images of the same name."""
        labels = _label_files(self.root)
        taken = {path for paths in labels.values() for path in paths}
        # Labels with an ending lie beside their images; other folders may hold anything.
        beside = {p.parent for p in taken if p.parent.name.lower() not in _LABELS}
        images = by_stem(
            path
            for path in _files(self.root)
            if path not in taken
            and not path.stem.endswith(_IGNORE)
            and (path.parent.name.lower() in _IMAGES or path.parent in beside)
        )
        self._files = {}
        for stem, label, image in pair(labels, images, self.problems):
            self._files[stem] = (label, image)
            yield Record(stem, patient_of(stem), "", split_of(image, self.root))
        if self.given_taxonomy is None:
            self.taxonomy = self._found_taxonomy()

    def _found_taxonomy(self) -> Taxonomy:
        values: set[str] = set()
        for label, _ in self._files.values():
            for path in (_table(label), _points(label)):
                try:
                    values |= {_named(row) for row in read_table(path, "class")}
                except KaryoscopeError:
                    continue  # named when the image is loaded
        names = {v for v in values if v and v != "0"}
        if any(v.isdigit() for v in names):
            raise KaryoscopeError(
                f"{self.root}: classes are numbers; name them with --classes or in dataset.yaml"
            )
        return taxonomy_of("folder", names)

    def load(self, record: Record) -> Sample:
        """Read one image with its labels; see :meth:`Dataset.load`."""
        path, image = self._files[record.name]
        rgb = read_rgb(image)
        # A table of points alone needs no empty label image beside it.
        alone = path.suffix.lower() == ".csv"
        inst_map = np.zeros(rgb.shape[:2], np.int32) if alone else read_label_image(path)
        table = _table(path)
        classes = one_class(inst_map)
        if table.is_file():
            ids = whole_ids((row["id"] for row in read_table(table, "id", "class")), table)
            strange = ids[(ids < 1) | (ids > inst_map.max(initial=0))]
            if len(strange):
                raise KaryoscopeError(f"{table}: id {strange[0]} is not in the label image")
            classes = class_lookup(ids, self._class_ids(table), inst_map.max(initial=0), table)
        elif len(self.taxonomy) > 1:
            classes[:] = 0
        points = ignore = None
        if _points(path).is_file():
            rows = read_table(_points(path), "x", "y", "class")
            x, y = (_numbers(_points(path), c, rows) for c in ("x", "y"))
            points = np.column_stack([x, y, self._class_ids(_points(path))])
        ignore_path = path.with_name(f"{record.name}{_IGNORE}.png")
        if ignore_path.is_file():
            ignore = read_plain(ignore_path) > 0
        return self.sample(record, path, rgb, inst_map, classes, points=points, ignore=ignore)

    def _class_ids(self, path: Path) -> np.ndarray:
        """Class of each row of a table, by number or by name; empty means not labelled."""
        ids = []
        for row in read_table(path, "class"):
            value = _named(row) or "0"
            try:
                ids.append(int(value) if value.isdigit() else self.taxonomy.id_of(value))
            except KaryoscopeError as error:
                raise KaryoscopeError(f"{path}: {error}") from error
        return np.array(ids, np.int64)


def _files(root: Path) -> list[Path]:
    """Files of a folder and of its split and image folders, no deeper."""
    return sorted(p for pattern in ("*", "*/*", "*/*/*") for p in root.glob(pattern) if p.is_file())


def _label_files(root: Path) -> FilesByStem:
    """Label images by the stem of their image; tables of points where there is no label image."""
    every = _files(root)
    files = [p for p in every if p.suffix.lower() in LABEL_SUFFIXES]
    files = [p for p in files if not p.stem.endswith(_IGNORE)]
    endings = {p: next((e for e in _ENDINGS if p.stem.endswith(e)), "") for p in files}
    labels = [p for p in files if p.parent.name.lower() in _LABELS or endings[p]]
    found = grouped(labels, lambda path: path.stem.removesuffix(endings[path]))
    tables = [p for p in every if p.name.endswith(f"{_POINTS}.csv")]
    tables = [p for p in tables if p.parent.name.lower() in _LABELS]
    points = grouped(tables, lambda path: path.stem.removesuffix(_POINTS))
    return points | found


def _table(label: Path) -> Path:
    return label.with_name(f"{label.stem.removesuffix(_POINTS)}.csv")


def _points(label: Path) -> Path:
    if label.suffix.lower() == ".csv":
        return label
    return label.with_name(f"{label.stem}{_POINTS}.csv")


def _named(row: dict[str, str]) -> str:
    """Class in a row of a table, lower case; a short row has none."""
    return (row["class"] or "").strip().lower()


def _numbers(path: Path, column: str, rows: list[dict[str, str]]) -> np.ndarray:
    try:
        return np.array([float(row[column]) for row in rows])
    except (TypeError, ValueError) as error:
        raise KaryoscopeError(f"{path}: a value of {column} is not a number") from error


def write_folder(samples: Iterable[Sample], root: Path, taxonomy: Taxonomy) -> None:
    """Write samples as a plain folder; ids, classes, points and ignored pixels are all kept."""
    records = []
    for sample in samples:
        name = sample.record.name
        records.append((sample.record, sample.mpp))
        write_png(root / "images" / f"{name}.png", sample.image)
        label = write_label_image(root / "labels", name, sample.inst_map)
        ids = np.unique(sample.inst_map)
        ids = ids[ids > 0]
        _write_table(_table(label), sample, ("id", "class"), [(i, sample.classes[i]) for i in ids])
        if sample.points is not None:
            _write_table(_points(label), sample, ("x", "y", "class"), sample.points.tolist())
        if sample.ignore is not None:
            write_png(label.with_name(f"{name}{_IGNORE}.png"), sample.ignore.astype(np.uint8) * 255)
    write_description(root, "folder", taxonomy, records)


def _write_table(
    path: Path, sample: Sample, columns: tuple[str, ...], rows: Iterable[Iterable[float]]
) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for *values, class_id in rows:
            name = sample.taxonomy.by_id(int(class_id)).name if class_id else ""
            writer.writerow((*values, name))
