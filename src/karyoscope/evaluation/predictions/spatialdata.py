"""SpatialData as exported here: the outlines in it are GeoParquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import read_json
from karyoscope.datasets import Sample
from karyoscope.evaluation.predictions.base import Prediction
from karyoscope.evaluation.predictions.parquet import ParquetFiles
from karyoscope.formats.scverse.spatialdata import SpatialDataWriter


class SpatialDataFiles(ParquetFiles):
    """``<stem>.spatialdata.zarr``: a folder whose shapes are outlines in pixels of the image.

    It is read without ``zarr`` and ``spatialdata``. A folder with a label image and without shapes
    is of an image in which no nucleus was found.
    """

    name = "spatialdata"
    what = "SpatialData folders"
    endings = (SpatialDataWriter.suffix,)
    folders = True

    def header(self, path: Path) -> dict[str, Any]:
        """What the outlines say about themselves; see :meth:`ParquetFiles.header`."""
        return super().header(path / SpatialDataWriter.outlines)

    def read(self, path: Path, sample: Sample) -> Prediction:
        """Rasterise the outlines."""
        if (path / "shapes").exists():
            return super().read(path, sample)
        shape = sample.inst_map.shape
        if _shape_of_labels(path) != list(shape):
            raise KaryoscopeError(
                f"{path}: it is of an image of another size than {shape[1]} x {shape[0]} pixels"
            )
        return Prediction(np.zeros(shape, np.int32), np.zeros(1, np.uint8))


def _shape_of_labels(path: Path) -> Any:
    """Height and width of the label image in a folder without shapes."""
    try:
        return read_json(path / SpatialDataWriter.labels / "zarr.json")["shape"]
    except (KaryoscopeError, KeyError, TypeError) as error:
        raise KaryoscopeError(f"{path} holds no nuclei from karyoscope") from error
