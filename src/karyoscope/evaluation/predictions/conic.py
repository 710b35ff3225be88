"""CoNIC arrays: one for all patches, or one an image as exported here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Sample
from karyoscope.datasets.files import map_npy, read_table
from karyoscope.datasets.labels import label_map
from karyoscope.evaluation.predictions.base import Prediction, PredictionFiles, Predictions

_ARRAYS = ("pred.npy", "labels.npy")
_NAMES = "patch_info.csv"


class ConicFiles(PredictionFiles):
    """``<stem>.conic.npy``: (1, h, w, 2), ids and classes."""

    name = "conic-files"
    what = "CoNIC arrays"
    endings = (".conic.npy",)

    def read(self, path: Path, sample: Sample) -> Prediction:
        """Read the array of one image."""
        return _prediction(self, _open(path)[0], path)


class ConicArray(Predictions):
    """One array (n, 256, 256, 2), such as the challenge's ``pred.npy``.

    Row ``i`` belongs to row ``i`` of the truth's ``patch_info.csv``, unless a file of that name
    lies beside the array.

    Parameters
    ----------
    path : path
        The array, or a folder that holds it as ``pred.npy``.
    taxonomy : Taxonomy
        Names of the class ids.
    names : sequence of str, optional
        Names of the truth's patches in the order of its own array.

    Raises
    ------
    KaryoscopeError
        If it is no such array, or it is unknown which patch a row belongs to.
    """

    name = "conic"

    def __init__(self, path: Path, taxonomy: Taxonomy, names: Sequence[str] = ()) -> None:
        self.path = _array_in(path) or path
        self.taxonomy: Taxonomy = taxonomy
        self._array = _open(self.path)
        own = [row["patch_info"] for row in read_table(self.path.with_name(_NAMES), "patch_info")]
        self.names = tuple(own or names)
        if not self.names:
            raise KaryoscopeError(
                f"{self.path}: it is unknown which image each row is of; put {_NAMES} in its folder"
            )
        if len(self.names) != len(self._array):
            raise KaryoscopeError(
                f"{self.path}: {len(self._array)} rows, but there are {len(self.names)} patches"
            )
        self._row = {name: i for i, name in enumerate(self.names)}

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether the path is an array or a folder with one."""
        return _array_in(path) is not None

    def describe(self) -> str:
        """File and format."""
        return f"CoNIC array {self.path}"

    def load(self, sample: Sample) -> Prediction:
        """Take the row of one patch; see :meth:`Predictions.load`."""
        name = sample.record.name
        if name not in self._row:
            raise KaryoscopeError(f"no row for {name} in {self.path}")
        return _prediction(self, self._array[self._row[name]], self.path)


def _array_in(path: Path) -> Path | None:
    """The array that a path means."""
    if path.is_file():
        single = path.name.lower().endswith(".conic.npy")
        several = path.suffix.lower() == ".npy" and not single and _has_rows(path)
        return path if several else None
    return next((path / name for name in _ARRAYS if (path / name).is_file()), None)


def _open(path: Path) -> np.ndarray:
    array = map_npy(path)
    if array.ndim != 4 or array.shape[-1] != 2 or not len(array):
        raise KaryoscopeError(f"{path}: shape {array.shape}; CoNIC arrays are (n, h, w, 2)")
    return array


def _prediction(predictions: Predictions, pair: np.ndarray, path: Path) -> Prediction:
    """Labels and the class of each *pixel*, which is what the challenge scores."""
    classes = predictions.check_class_ids(label_map(pair[..., 1], path), path)
    return Prediction(label_map(pair[..., 0], path), classes)


def _has_rows(path: Path) -> bool:
    """Whether an array is one of many patches; a damaged one is named when it is opened."""
    try:
        return map_npy(path).ndim != 2
    except KaryoscopeError:
        return True


def rows_of(path: Path) -> list[str]:
    """Names for the rows of an array beside which no file names them."""
    array = _array_in(path)
    return [] if array is None else [f"patch_{i:05d}" for i in range(len(map_npy(array)))]
