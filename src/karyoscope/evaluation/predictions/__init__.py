"""Predictions in, label maps and classes out. One file a format, one line here."""

from __future__ import annotations

from pathlib import Path

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.registry import Registry
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Dataset
from karyoscope.datasets.conic import Conic
from karyoscope.datasets.files import read_table
from karyoscope.evaluation.predictions.base import Prediction, PredictionFiles, Predictions
from karyoscope.evaluation.predictions.conic import ConicArray, ConicFiles
from karyoscope.evaluation.predictions.geojson import GeoJsonFiles
from karyoscope.evaluation.predictions.labels import LabelImages, PlainLabelImages
from karyoscope.evaluation.predictions.mat import MatFiles
from karyoscope.evaluation.predictions.parquet import ParquetFiles

# In the order in which a folder is tried: what states its classes itself comes first, images of
# any name last.
FORMATS: Registry[type[PredictionFiles] | type[ConicArray]] = Registry.by_name(
    "format",
    (
        ParquetFiles,
        LabelImages,
        GeoJsonFiles,
        MatFiles,
        ConicArray,
        ConicFiles,
        PlainLabelImages,
    ),
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
        A folder with a file an image, or a CoNIC array.
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
    if form is None:
        form = next((name for name, cls in FORMATS.items() if cls.recognises(root)), None)
    if form is None or form not in FORMATS:
        problem = "no predictions recognised" if form is None else f"no format {form!r}"
        raise KaryoscopeError(f"{root}: {problem}; there are {', '.join(FORMATS)}")
    meaning = taxonomy or truth.taxonomy
    if form == ConicArray.name:
        return ConicArray(root, meaning, _patch_names(truth))
    return FORMATS[form](root, meaning)


def _patch_names(truth: Dataset) -> list[str]:
    """Names of a dataset of CoNIC arrays in the order of its rows; none for other datasets."""
    if not isinstance(truth, Conic):
        return []
    rows = read_table(truth.root / "patch_info.csv", "patch_info")
    return [row["patch_info"] for row in rows] or [record.name for record in truth.records]
