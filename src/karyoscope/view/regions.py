"""What lies in a region that a person drew: counts, densities, shares, distances."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import write_text
from karyoscope.slides import Tissue
from karyoscope.view.edited import EditedTable

SUFFIX = ".regions.geojson"
_MOST_REGIONS, _MOST_VERTICES = 1_000, 20_000
_FARTHEST = 1e9


def region_of(geometry: Any) -> shapely.Geometry:
    """Polygon, or polygons, of a GeoJSON geometry in pixels of level 0.

    Raises
    ------
    KaryoscopeError
        If it is no polygon with an area.
    """
    try:
        shape = shapely.from_geojson(json.dumps(geometry))
    except (TypeError, ValueError, shapely.errors.GEOSException) as error:
        raise KaryoscopeError("a region is a GeoJSON polygon") from error
    if shape is None or shape.geom_type not in ("Polygon", "MultiPolygon"):
        raise KaryoscopeError("a region is a GeoJSON polygon")
    if shapely.get_num_coordinates(shape) > _MOST_VERTICES:
        raise KaryoscopeError(f"a region has at most {_MOST_VERTICES} points")
    if not (np.abs(shapely.get_coordinates(shape)) < _FARTHEST).all():
        raise KaryoscopeError("a region lies on the slide")
    shape = shapely.make_valid(shape)
    if not shape.area > 0:
        raise KaryoscopeError("this region has no area")
    return shape


def measure_region(
    nuclei: EditedTable,
    region: shapely.Geometry,
    tissue: Tissue | None = None,
    shown: np.ndarray | None = None,
) -> dict[str, Any]:
    """Count what lies in a region.

    Parameters
    ----------
    nuclei : EditedTable
        Corrections count.
    region : shapely.Geometry
        Outline in pixels of level 0.
    tissue : Tissue, optional
        Mask without margin; without one densities refer to the whole region.
    shown : ndarray of bool, shape (n,), optional
        Nuclei that pass a filter; those that were added by hand always do.

    Returns
    -------
    dict
        ``area_mm2``, ``tissue_mm2``, ``nuclei``, ``density_per_mm2`` (of tissue), ``nearest_um``
        (median distance to the nearest other nucleus of the region) and ``classes``: the same by
        class, with ``share`` and ``border_um`` (median distance to the region's border).
    """
    table = nuclei.table
    context = table.context
    scale = np.array([context.mpp_x, context.mpp_y])
    left, top, right, bottom = region.bounds
    rows = table.rows_in(left, top, np.nextafter(right, np.inf), np.nextafter(bottom, np.inf))
    rows = rows[nuclei.alive[rows]]
    if shown is not None:
        rows = rows[shown[rows]]
    added_x, added_y, added_class = nuclei.added_arrays()
    x = np.concatenate([table.x[rows], added_x]).astype(np.float64)
    y = np.concatenate([table.y[rows], added_y]).astype(np.float64)
    class_id = np.concatenate([nuclei.class_id[rows], added_class])
    shapely.prepare(region)
    inside = shapely.contains_xy(region, x, y)
    x, y, class_id = x[inside], y[inside], class_id[inside]
    points = np.stack([x, y], 1) * scale
    nearest = _nearest(points)
    border = _to_border(region, scale, points)
    area = region.area * float(scale.prod()) * 1e-6
    covered = None if tissue is None else _tissue_share(region, tissue) * area
    found = {
        "area_mm2": area,
        "tissue_mm2": covered,
        "nuclei": len(x),
        "density_per_mm2": _ratio(len(x), area if covered is None else covered),
        "nearest_um": _median(nearest),
        "classes": [],
    }
    for class_number in (0, *context.taxonomy.ids):
        mine = class_id == class_number
        if class_number == 0 and not mine.any():
            continue
        found["classes"].append(
            {
                "id": class_number,
                "name": context.taxonomy.by_id(class_number).name,
                "count": int(mine.sum()),
                "share": _ratio(int(mine.sum()), len(x)),
                "density_per_mm2": _ratio(int(mine.sum()), area if covered is None else covered),
                "nearest_um": _median(nearest[mine]),
                "border_um": _median(border[mine]),
            }
        )
    return found


def read_regions(path: Path) -> dict[str, Any]:
    """Regions that were saved; an empty collection where there are none."""
    try:
        return checked_regions(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {"type": "FeatureCollection", "features": []}
    except (OSError, ValueError) as error:
        raise KaryoscopeError(f"{path.name} cannot be read: {error}") from error


def save_regions(path: Path, collection: Any) -> dict[str, Any]:
    """Check regions and save them whole: GeoJSON that `segment --tissue` and QuPath read."""
    checked = checked_regions(collection)
    write_text(path, json.dumps(checked, indent=1, ensure_ascii=False) + "\n")
    return checked


def checked_regions(collection: Any) -> dict[str, Any]:
    """Keep what a region is of GeoJSON: a name, a polygon, whether it was reviewed.

    Raises
    ------
    KaryoscopeError
        If it is no feature collection of polygons.
    """
    features = collection.get("features") if isinstance(collection, Mapping) else None
    if not isinstance(features, list) or len(features) > _MOST_REGIONS:
        raise KaryoscopeError(f"regions are a GeoJSON collection of at most {_MOST_REGIONS}")
    kept = []
    for place, feature in enumerate(features, start=1):
        if not isinstance(feature, Mapping):
            raise KaryoscopeError("regions are a GeoJSON collection of features")
        given = feature.get("properties")
        properties = given if isinstance(given, Mapping) else {}
        region = region_of(feature.get("geometry"))
        name = str(properties.get("name") or f"Region {place}")[:200]
        kept.append(
            {
                "type": "Feature",
                "geometry": json.loads(shapely.to_geojson(region)),
                "properties": {
                    "objectType": "annotation",
                    "name": name,
                    "reviewed": properties.get("reviewed") is True,
                },
            }
        )
    return {"type": "FeatureCollection", "features": kept}


def _tissue_share(region: shapely.Geometry, tissue: Tissue) -> float:
    """Share of a region that is tissue, by the centres of the mask's pixels."""
    left, top, right, bottom = (value / tissue.scale for value in region.bounds)
    height, width = tissue.packed.shape
    x0, x1 = max(0, int(left)), min(width, int(np.ceil(right)))
    y0, y1 = max(0, int(top)), min(height, int(np.ceil(bottom)))
    if x0 >= x1 or y0 >= y1:
        return 0.0
    x, y = np.meshgrid(np.arange(x0, x1) + 0.5, np.arange(y0, y1) + 0.5)
    inside = shapely.contains_xy(region, x.ravel() * tissue.scale, y.ravel() * tissue.scale)
    if not inside.any():
        centre = region.representative_point()
        column = min(width - 1, max(0, int(centre.x / tissue.scale)))
        row = min(height - 1, max(0, int(centre.y / tissue.scale)))
        return float(tissue.packed[row : row + 1, column : column + 1].item())
    return float(tissue.packed[y0:y1, x0:x1].ravel()[inside].mean())


def _nearest(points: np.ndarray) -> np.ndarray:
    if len(points) < 2:
        return np.full(len(points), np.nan)
    from scipy.spatial import cKDTree  # late, as it takes 30 MB

    return cKDTree(points).query(points, k=2)[0][:, 1]


def _to_border(region: shapely.Geometry, scale: np.ndarray, points: np.ndarray) -> np.ndarray:
    border = shapely.transform(region.boundary, lambda c: c * scale)
    shapely.prepare(border)
    return shapely.distance(border, shapely.points(points))


def _median(values: np.ndarray) -> float | None:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else None


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
