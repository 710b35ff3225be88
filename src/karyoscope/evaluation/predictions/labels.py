"""Label images, with or without a table of classes."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets import Sample
from karyoscope.datasets.files import read_table
from karyoscope.datasets.labels import class_lookup, read_label_image, whole_ids
from karyoscope.evaluation.predictions.base import Prediction, PredictionFiles


class LabelImages(PredictionFiles):
    """``<stem>.labels.tif`` with ``<stem>.labels.csv`` (columns id and class), as exported.

    Any class that is not in the table is "not classified".
    """

    name = "labels"
    what = "label images"
    endings: ClassVar[tuple[str, ...]] = (".labels.tif",)

    def has_classes(self, path: Path) -> bool:
        """Whether there is a table beside the label image."""
        return path.with_suffix(".csv").is_file()

    def read(self, path: Path, sample: Sample) -> Prediction:
        """Read a label image and its table."""
        inst_map = read_label_image(path)
        table = path.with_suffix(".csv")
        if self.taxonomy is None:
            return Prediction(inst_map, None)
        if not table.is_file():
            raise KaryoscopeError(f"{path}: others have a table of classes, it has no {table.name}")
        rows = read_table(table, "id", "class")
        ids = whole_ids((row["id"] for row in rows), table)
        classes = self.class_ids([row["class"] or "" for row in rows], table)
        return Prediction(inst_map, class_lookup(ids, classes, inst_map.max(initial=0), table))


class PlainLabelImages(LabelImages):
    """``<stem>.png`` or ``.tif`` with an optional ``<stem>.csv``, as scripts write them."""

    name = "images"
    endings = tuple(
        f"{ending}{suffix}"
        for suffix in (".png", ".tif", ".tiff", ".npy", ".bmp")
        for ending in ("_labels", "_label", "_masks", "_mask", "_instances", "")
    )
