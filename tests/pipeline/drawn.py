"""Annotations as QuPath writes them, and what lies in them, recomputed with shapely alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import shapely
from shapely.geometry import shape

from karyoscope.slides import Slide, Tissue


def square(left: float, top: float, right: float, bottom: float) -> dict[str, Any]:
    return shapely.geometry.mapping(shapely.box(left, top, right, bottom))


def annotation(
    geometry: dict[str, Any], name: str = "", kind: str = "", **properties: Any
) -> dict[str, Any]:
    """One feature; ``kind`` is the class."""
    found: dict[str, Any] = {"objectType": "annotation", **properties}
    if name:
        found["name"] = name
    if kind:
        found["classification"] = {"name": kind, "color": [200, 0, 0]}
    return {"type": "Feature", "geometry": geometry, "properties": found}


def write(path: Path, *features: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(features)}))
    return path


def points_of(table: Path) -> tuple[list[shapely.Point], dict[str, np.ndarray]]:
    """Centroids and columns of a GeoParquet file, without code of ours."""
    columns = {k: np.array(v) for k, v in pq.read_table(table).to_pydict().items()}
    return [shapely.Point(x, y) for x, y in zip(columns["x"], columns["y"], strict=True)], columns


def areas_in(path: Path) -> list[tuple[str, str, Any]]:
    """Name, class and geometry of each feature."""
    features = json.loads(path.read_text("utf-8"))["features"]
    return [
        (
            f["properties"].get("name", ""),
            f["properties"].get("classification", {}).get("name", ""),
            shape(f["geometry"]),
        )
        for f in features
    ]


def tissue_in(slide: Slide, geometry: Any) -> float:
    """Tissue, mm², of the cells of the mask whose centre an area holds, cut at the slide's edge.

    Of all cells where there is no area.
    """
    tissue = Tissue.of(slide)
    total = 0.0
    for row, column in np.argwhere(tissue.mask):
        box = shapely.box(*(v * tissue.scale for v in (column, row, column + 1, row + 1)))
        if geometry is None or geometry.contains(box.centroid):
            total += box.intersection(shapely.box(0, 0, *slide.size)).area
    return total * slide.mpp_xy[0] * slide.mpp_xy[1] * 1e-6
