"""GeoJSON as exported here or drawn in QuPath."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.geojson import areas_of, read_features
from karyoscope.datasets import Sample
from karyoscope.datasets.polygons import paint
from karyoscope.evaluation.predictions.base import Prediction, PredictionFiles, class_ids

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry


class GeoJsonFiles(PredictionFiles):
    """``<stem>.geojson``: every polygon is a nucleus, in pixels of the image.

    A pixel belongs to the nucleus in which its centre lies, of two that overlap to the first.
    """

    name = "geojson"
    what = "GeoJSON files"
    endings = (".geojson",)

    def has_classes(self, path: Path) -> bool:
        """Whether any polygon has a classification."""
        try:
            return any(feature.class_name for feature in read_features(path))
        except KaryoscopeError:
            return False

    def read(self, path: Path, sample: Sample) -> Prediction:
        """Rasterise the polygons."""
        inst_map = np.zeros(sample.inst_map.shape, np.int32)
        names = [""]
        for feature in read_features(path):
            geometry = feature.geometry(nucleus=True)
            areas = None if geometry is None else areas_of(geometry)
            if areas is None or areas.is_empty:
                kind = "nothing" if geometry is None else geometry.geom_type
                raise KaryoscopeError(f"{path}: {kind} where a polygon is needed")
            _check_inside(areas, inst_map.shape, path)
            paint(inst_map, areas, len(names))
            names.append(feature.class_name)
        if self.taxonomy is None:
            return Prediction(inst_map, None)
        return Prediction(inst_map, class_ids(names, self.taxonomy, path))


def _check_inside(geometry: BaseGeometry, shape: tuple[int, ...], path: Path) -> None:
    """Name outlines that were made on another grid, such as another magnification."""
    left, top, right, bottom = geometry.bounds
    height, width = shape
    if left < -1 or top < -1 or right > width + 1 or bottom > height + 1:
        raise KaryoscopeError(
            f"{path}: a polygon reaches to ({right:g}, {bottom:g}), the image has {width} x"
            f" {height} pixels"
        )
