"""Predictions in files, read as label maps with classes.

Each format is one class in a file of its own, registered in :data:`FORMATS`.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.plugins import named
from karyoscope.core.registry import Registry
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Dataset
from karyoscope.datasets.conic import Conic
from karyoscope.datasets.files import read_table
from karyoscope.evaluation.predictions.base import Prediction, PredictionFiles, Predictions
from karyoscope.evaluation.predictions.conic import ConicArray, ConicFiles
from karyoscope.evaluation.predictions.geojson import GeoJsonFiles
from karyoscope.evaluation.predictions.hovernet import HoverNetFiles
from karyoscope.evaluation.predictions.labels import LabelImages, PlainLabelImages
from karyoscope.evaluation.predictions.mat import MatFiles
from karyoscope.evaluation.predictions.parquet import ParquetFiles
from karyoscope.evaluation.predictions.spatialdata import SpatialDataFiles

# In the order in which a folder is tried: what states its classes itself comes first, images of
# any name last.
FORMATS: Registry[type[PredictionFiles] | type[ConicArray]] = Registry.by_name(
    "format",
    (
        ParquetFiles,
        SpatialDataFiles,
        LabelImages,
        GeoJsonFiles,
        HoverNetFiles,
        MatFiles,
        ConicArray,
        ConicFiles,
        PlainLabelImages,
    ),
    group="karyoscope.predictions",
    kind=PredictionFiles,
)

__all__ = ["FORMATS", "Prediction", "PredictionFiles", "Predictions", "open_predictions"]


def open_predictions(
    path: str | Path,
    truth: Dataset,
    form: str | None = None,
    *,
    taxonomy: Taxonomy | None = None,
) -> Predictions:
    """Open predictions for the images of a dataset.

    Parameters
    ----------
    path : path
        A folder with a file an image, one such file, or a CoNIC array.
    truth : Dataset
        Annotated images; predictions are matched to them by name.
    form : str, optional
        One of ``FORMATS``; without it the format is recognised.
    taxonomy : Taxonomy, optional
        What class names and ids mean, where the files do not say and it is not what they mean in
        the truth.

    Raises
    ------
    KaryoscopeError
        If there is no such path or format, or none is recognised.
    """
    root = Path(path)
    if not root.exists():
        raise KaryoscopeError(f"{root}: no such file or folder")
    form = named(form) if form else _recognise(root)
    kind: Any = FORMATS.find(form)
    meaning = taxonomy or truth.taxonomy
    if form == ConicArray.name:
        return ConicArray(root, meaning, _patch_names(truth))
    found: Predictions = kind(root, meaning)
    return found


def _recognise(root: Path) -> str:
    """Name of the format that a path holds."""
    for name, kind in itertools.chain(FORMATS.items(), FORMATS.installed()):
        if kind.recognises(root):
            return name
    raise KaryoscopeError(
        f"{root}: no predictions recognised; there are {', '.join(FORMATS.names())}"
    )


def _patch_names(truth: Dataset) -> list[str]:
    """Names of a dataset of CoNIC arrays in the order of its rows; none for other datasets."""
    if not isinstance(truth, Conic):
        return list(getattr(truth, "rows", ()))
    rows = read_table(truth.root / "patch_info.csv", "patch_info")
    return [row["patch_info"] for row in rows] or [record.name for record in truth.records]
