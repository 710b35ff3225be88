"""GeoJSON as exported here or drawn in QuPath."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.geojson import areas_of, read_collection
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Sample
from karyoscope.datasets.polygons import paint
from karyoscope.evaluation.predictions.base import Prediction, PredictionFiles

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry


class GeoJsonFiles(PredictionFiles):
    """``<stem>.geojson``: every polygon is a nucleus, in pixels of the image.

    A pixel belongs to the nucleus in which its centre lies, of two that overlap to the first. The
    taxonomy that a file of karyoscope states is what its classes mean.
    """

    name = "geojson"
    what = "GeoJSON files"
    endings = (".geojson",)

    def find_taxonomy(self) -> Taxonomy | None:
        """Return the classes that the first file with classes states, or those that were given."""
        for path in self.files.values():
            try:
                about, features = read_collection(path)
                stated = _stated(about, path)
            except KaryoscopeError:
                continue  # named when it is read
            if stated is not None:
                return stated
            if any(feature.class_name for feature in features):
                return self.given
        return None

    def read(self, path: Path, sample: Sample) -> Prediction:
        """Rasterise the polygons."""
        inst_map = np.zeros(sample.inst_map.shape, np.int32)
        names = [""]
        about, features = read_collection(path)
        stated = _stated(about, path)
        if stated is not None and stated != self.taxonomy:
            raise KaryoscopeError(
                f"{path}: its classes ({stated.name}) are not those of the other files"
            )
        for feature in features:
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
        try:
            return Prediction(inst_map, self.class_ids(names, path))
        except KaryoscopeError as error:
            if stated is None:
                raise
            known = ", ".join(stated.names)
            raise KaryoscopeError(
                f"{path}: a nucleus has none of the classes that the file states, {known}"
            ) from error


def _stated(about: dict[str, Any], path: Path) -> Taxonomy | None:
    """Return the taxonomy in the metadata of a file; None where there is none, as in QuPath's."""
    if "taxonomy" not in about:
        return None
    try:
        return Taxonomy.from_dict(about["taxonomy"])
    except KaryoscopeError as error:
        raise KaryoscopeError(f"{path}: {error}") from error


def _check_inside(geometry: BaseGeometry, shape: tuple[int, ...], path: Path) -> None:
    """Name outlines that were made on another grid, such as another magnification."""
    left, top, right, bottom = geometry.bounds
    height, width = shape
    if left < -1 or top < -1 or right > width + 1 or bottom > height + 1:
        raise KaryoscopeError(
            f"{path}: a polygon reaches to ({right:g}, {bottom:g}), the image has {width} x"
            f" {height} pixels"
        )
