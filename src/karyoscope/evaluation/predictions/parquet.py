"""GeoParquet as exported here: it states its classes and its scale."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Sample
from karyoscope.evaluation.predictions.base import Prediction, PredictionFiles
from karyoscope.formats.reading import read


class ParquetFiles(PredictionFiles):
    """``<stem>.parquet``: outlines in pixels of the image."""

    name = "parquet"
    what = "GeoParquet files"
    endings = (".parquet",)

    def find_taxonomy(self) -> Taxonomy:
        """Return the classes that the first readable file states."""
        for path in self.files.values():
            try:
                return Taxonomy.from_dict(self.header(path)["taxonomy"])
            except KaryoscopeError:
                continue  # named when it is read
        return self.given

    def read(self, path: Path, sample: Sample) -> Prediction:
        """Rasterise the outlines."""
        height, width = sample.inst_map.shape
        size = self.header(path).get("size", [width, height])
        if size != [width, height]:
            raise KaryoscopeError(
                f"{path}: it is of an image of {size} pixels (width, height), the truth has"
                f" {[width, height]}"
            )
        nuclei = read(path)
        if nuclei.taxonomy != self.taxonomy:
            raise KaryoscopeError(
                f"{path}: its classes ({nuclei.taxonomy.name}) are not those of the other files"
            )
        return Prediction.of_nuclei(nuclei, width, height)

    def header(self, path: Path) -> dict[str, Any]:
        """What a file says about itself.

        Raises
        ------
        KaryoscopeError
            If it says nothing that can be read.
        """
        try:
            found: dict[str, Any] = json.loads(pq.read_schema(path).metadata[b"karyoscope"])
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise KaryoscopeError(
                f"{path} is no table of nuclei from karyoscope: {reason}"
            ) from error
        return found
