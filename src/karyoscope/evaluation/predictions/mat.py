"""MATLAB files as HoVer-Net writes them for each tile."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets import Sample
from karyoscope.datasets.files import mat_keys, read_mat
from karyoscope.datasets.labels import class_lookup, label_map, majority_class
from karyoscope.evaluation.predictions.base import Prediction, PredictionFiles

# Key of the classes -> key of the ids that they belong to.
_CLASSES = {"inst_type": "inst_uid", "class": "id"}


class MatFiles(PredictionFiles):
    """``<stem>.mat`` with ``inst_map``, and classes as one of the families of files has them.

    - HoVer-Net, CoNSeP: ``inst_type``, in the order of ``inst_uid`` where that is given, else of
      the ids;
    - Lizard: ``class`` in the order of ``id``;
    - ``type_map`` alone: the class that most pixels of a nucleus have.
    """

    name = "mat"
    what = "MATLAB files"
    endings = (".mat",)

    def has_classes(self, path: Path) -> bool:
        """Whether there is one of the arrays of classes."""
        return not mat_keys(path).isdisjoint({*_CLASSES, "type_map"})

    def read(self, path: Path, sample: Sample) -> Prediction:
        """Read one file."""
        mat = read_mat(path, "inst_map")
        inst_map = label_map(mat["inst_map"], path)
        if self.taxonomy is None:
            return Prediction(inst_map, None)
        key = next((key for key in _CLASSES if key in mat), None)
        if key is not None:
            ids = mat.get(_CLASSES[key], np.unique(inst_map[inst_map > 0]))
            if np.size(ids) != mat[key].size:
                raise KaryoscopeError(
                    f"{path}: {np.size(ids)} nuclei but {mat[key].size} classes in {key}"
                )
            classes = self.check_class_ids(mat[key], path)
            return Prediction(inst_map, class_lookup(ids, classes, inst_map.max(initial=0), path))
        if "type_map" not in mat:
            raise KaryoscopeError(f"{path}: others have classes, it has no inst_type")
        class_map = self.check_class_ids(label_map(mat["type_map"], path), path)
        if class_map.shape != inst_map.shape:
            raise KaryoscopeError(
                f"{path}: type_map is {class_map.shape}, inst_map is {inst_map.shape}"
            )
        return Prediction(inst_map, majority_class(inst_map, class_map))
