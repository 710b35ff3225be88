"""The truth that predictions are scored against: annotated images, or label maps alone."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Dataset, Record, Sample, open_dataset
from karyoscope.datasets.describe import read_description
from karyoscope.datasets.files import read_table
from karyoscope.datasets.labels import majority_class, one_class
from karyoscope.datasets.palette import taxonomy_of
from karyoscope.evaluation.predictions import FORMATS, Predictions
from karyoscope.evaluation.predictions.base import PredictionFiles
from karyoscope.evaluation.predictions.conic import ConicArray, rows_of

#: Formats of predictions that say how large their image is, in the order in which they are tried.
_FORMS = ("labels", "mat", "conic", "conic-files", "images")


class LabelMaps(Dataset):
    """Label maps without images, to score others against; no model can be run on them.

    Parameters
    ----------
    path : path
        A file or a folder: label images, ``.npy`` and ``.mat`` files, or a CoNIC array.
    taxonomy : Taxonomy, optional
        What class ids mean; without it, classes that tables give by name are taken as they are,
        those of CoNIC arrays are Lizard's, and other class ids are left out.
    mpp : float, optional
        Micrometres per pixel.

    Raises
    ------
    KaryoscopeError
        If there are none.
    """

    name = "label maps"

    def __init__(self, path: Path, taxonomy: Taxonomy | None = None, mpp: float | None = None):
        self.root, self.problems = path, []
        self.mpp = math.nan if mpp is None else mpp
        form = next((name for name in _FORMS if FORMATS[name].recognises(path)), None)
        if form is None:
            raise KaryoscopeError(f"{path}: neither annotated images nor label maps")
        named = taxonomy or (Taxonomy.load("lizard") if "conic" in form else _named(path, form))
        self._classified = named is not None
        self.taxonomy = named or Taxonomy.load("nucleus")
        self._source: Predictions
        if form == ConicArray.name:
            self._source = ConicArray(path, self.taxonomy, rows_of(path))
            #: Names of the rows of an array, in their order.
            self.rows = list(self._source.names)
        else:
            self._source = FORMATS[form](path, self.taxonomy)
        self.records = [Record(name, name) for name in self._source.names]

    def load(self, record: Record) -> Sample:
        """Read one label map, with a blank image; see :meth:`Dataset.load`."""
        blank = np.zeros((1, 1, 3), np.uint8)
        empty = np.zeros((1, 1), np.int32)
        asked = Sample(record, blank, empty, np.zeros(1, np.uint8), self.taxonomy, self.mpp)
        found = self._source.load(asked)
        classes = found.classes if self._classified else None
        if classes is None:
            classes = one_class(found.inst_map)
        elif classes.ndim == 2:
            classes = majority_class(found.inst_map, classes)
        image = np.zeros((*found.inst_map.shape, 3), np.uint8)
        return Sample(record, image, found.inst_map, classes, self.taxonomy, self.mpp)


def open_truth(
    path: str | Path,
    layout: str | None = None,
    taxonomy: Taxonomy | None = None,
    mpp: float | None = None,
) -> Dataset:
    """Open annotated images, or label maps without images.

    Parameters
    ----------
    path : path
        A folder in a layout of :data:`karyoscope.datasets.DATASETS`, or what
        :class:`LabelMaps` reads.
    layout, taxonomy, mpp
        See :func:`karyoscope.datasets.open_dataset`.

    Raises
    ------
    KaryoscopeError
        If it is neither.
    """
    root = Path(path)
    if root.is_file():
        return LabelMaps(root, taxonomy, mpp)
    if root.is_dir() and layout is None and _labels_alone(root):
        return LabelMaps(root, taxonomy, mpp)
    return open_dataset(root, layout, taxonomy=taxonomy, mpp=mpp)


def match_single(truth: Dataset, predictions: Predictions) -> None:
    """Match a single file of predictions to a single true image, even if their names differ."""
    if len(truth) != 1 or not isinstance(predictions, PredictionFiles):
        return
    if list(predictions.files.values()) == [predictions.path]:
        name = truth.records[0].name
        predictions.files = {name: predictions.path}
        predictions.names = (name,)


def _labels_alone(root: Path) -> bool:
    """Whether a folder that states no layout holds label maps, and no dataset is recognised."""
    from karyoscope.datasets import recognise

    if read_description(root).layout is not None:
        return False
    try:
        recognise(root)
    except KaryoscopeError:
        return any(FORMATS[name].recognises(root) for name in _FORMS)
    return False


def _named(path: Path, form: str) -> Taxonomy | None:
    """The classes that tables beside label images name; None where there are none."""
    if form not in ("labels", "images"):
        return None
    opened = FORMATS[form](path, Taxonomy.load("nucleus"))
    files = opened.files if isinstance(opened, PredictionFiles) else {}
    tables = [table for f in files.values() if (table := f.with_suffix(".csv")).is_file()]
    names = {(row["class"] or "").strip() for table in tables for row in read_table(table, "class")}
    names -= {"", "0"}
    if any(name.isdigit() for name in names):
        raise KaryoscopeError(f"{path}: classes are numbers; name them with --classes")
    return taxonomy_of("labels", names) if names else None
