"""NuCLS: breast cancer nuclei at 0.2 µm/px (Amgad et al., GigaScience 2022)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import NucleusClass, Taxonomy
from karyoscope.datasets.base import Record, Sample
from karyoscope.datasets.files import (
    by_stem,
    grouped,
    is_npy_dict,
    pair,
    patient_of,
    read_npy_dict,
    read_table,
    split_of,
)
from karyoscope.datasets.image_files import read_rgb
from karyoscope.datasets.labels import label_map, majority_class
from karyoscope.datasets.on_disk import DatasetOnDisk
from karyoscope.datasets.polygons import check_on_image, paint

if TYPE_CHECKING:
    import shapely

_SUPER_CLASSES = {
    "tumor_any": "tumor",
    "nontil_stromal": "stromal",
    "stil": "lymphocytic",
    "other_nucleus": "other",
}
_BOX = ("xmin", "ymin", "xmax", "ymax")
_COLUMNS = ("super_classification", "type", *_BOX, "coords_x", "coords_y")
_NUMBERED = Taxonomy(
    "nucls_crops",
    (NucleusClass(1, "class 1", (0, 114, 178)), NucleusClass(2, "class 2", (230, 159, 0))),
    {"nucleus": {"class 1": "nucleus", "class 2": "nucleus"}},
)


class NuCls(DatasetOnDisk):
    """Fields with tables of annotations, or crops with arrays.

    ``rgb/<field>.png`` with ``csv/<field>.csv``, as published: the super-class of a row is the
    class, and 0 where it is ambiguous. Rows of type ``polyline`` are outlines. Rows of type
    ``rectangle`` say that there is a nucleus but not where it ends: what is not outlined in them
    becomes the sample's ``ignore``.

    ``<split>/images/<name>.png`` with ``<split>/labels/<name>.npy``, a dictionary of ``inst_map``
    and ``type_map``: the two classes of these crops have numbers but no published names.

    Sources are slides (by TCGA case), or single crops where the name does not tell.
    """

    name = "nucls"
    published_taxonomy = "nucls"
    published_mpp = 0.2

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether there are tables beside ``rgb``, or arrays in folders of labels."""
        if any(root.glob("**/rgb")) and any(root.glob("**/csv/*.csv")):
            return True
        arrays = root.glob("**/labels/*.npy")
        return any(map(is_npy_dict, arrays)) and any(root.glob("**/images/*"))

    def find(self) -> Iterator[Record]:
        """Pair tables or arrays with images of the same name."""
        labels = grouped(self.root.glob("**/csv/*.csv"))
        images = by_stem(self.root.glob("**/rgb/*"))
        if not labels:
            labels = grouped(self.root.glob("**/labels/*.npy"))
            images = by_stem(self.root.glob("**/images/*"))
            self.taxonomy = self.given_taxonomy or _NUMBERED
        self._files = {}
        for stem, label, image in pair(labels, images, self.problems):
            self._files[stem] = (label, image)
            yield Record(stem, patient_of(stem), "", split_of(label, self.root))

    def load(self, record: Record) -> Sample:
        """Read one field or crop; see :meth:`Dataset.load`."""
        path, image_path = self._files[record.name]
        image = read_rgb(image_path)
        if path.suffix == ".csv":
            return self._from_table(record, path, image)
        arrays = read_npy_dict(path)
        if not {"inst_map", "type_map"} <= arrays.keys():
            raise KaryoscopeError(f"{path}: lacks inst_map or type_map")
        inst_map = label_map(arrays["inst_map"], path)
        type_map = label_map(arrays["type_map"], path)
        if type_map.shape != inst_map.shape:
            raise KaryoscopeError(f"{path}: inst_map and type_map differ in size")
        return self.sample(record, path, image, inst_map, majority_class(inst_map, type_map))

    def _from_table(self, record: Record, path: Path, image: np.ndarray) -> Sample:
        inst_map = np.zeros(image.shape[:2], np.int32)
        boxes = np.zeros(image.shape[:2], bool)
        classes = [0]
        outlines = []
        for number, row in enumerate(read_table(path, *_COLUMNS), start=2):
            if row.get("raw_classification") == "fov":
                continue  # the outline of the field itself
            try:
                if row["type"] == "polyline":
                    outlines.append(_polygon(row))
                    paint(inst_map, outlines[-1], len(classes))
                    classes.append(self._class_of(row["super_classification"], path))
                else:
                    left, top, right, bottom = (max(0, round(float(row[c]))) for c in _BOX)
                    boxes[top:bottom, left:right] = True
            except (AttributeError, TypeError, ValueError, OverflowError) as error:
                raise KaryoscopeError(f"{path}: line {number} is damaged") from error
        check_on_image(outlines, image.shape, path)
        ignore = boxes & (inst_map == 0)
        return self.sample(
            record,
            path,
            image,
            inst_map,
            np.array(classes, np.uint8),
            ignore=ignore if ignore.any() else None,
        )

    def _class_of(self, name: str, path: Path) -> int:
        name = name.strip().lower()
        if re.fullmatch(r"ambiguous|unlabeled|", name):
            return 0
        if name not in _SUPER_CLASSES:
            raise KaryoscopeError(f"{path}: unknown super-class {name!r}")
        return self.taxonomy.id_of(_SUPER_CLASSES[name])


def _polygon(row: dict[str, str]) -> shapely.Polygon:
    import shapely  # Late, so that a bare GPU machine validates without.

    x, y = ([float(v) for v in row[c].split(",")] for c in ("coords_x", "coords_y"))
    return shapely.Polygon(zip(x, y, strict=True))
