"""GeoJSON of nuclei, ours or QuPath's, read back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.geojson import Feature, areas_of, read_collection
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.formats.tables.columns import written_name

if TYPE_CHECKING:
    import shapely

_GREY = (128, 128, 128)


def read_geojson(
    path: str | Path, mpp: float | None = None, taxonomy: Taxonomy | None = None
) -> Nuclei:
    """Read the nuclei of a GeoJSON file.

    The polygon of each feature is a nucleus, the largest where there are several, without its
    holes; annotations are left out where there are detections. Area and measurements are those
    that the file states; the centroid is that of the polygon.

    Parameters
    ----------
    path : path
        ``.geojson`` or ``.geojson.gz``.
    mpp, taxonomy
        See :func:`karyoscope.formats.reading.read`; what the file states goes before.

    Returns
    -------
    Nuclei
        In pixels of level 0. Ids are the names that karyoscope gave the features, where each is a
        whole number of its own, else they count from 1.

    Raises
    ------
    KaryoscopeError
        If it cannot be read, holds anything but polygons, or its pixel size is unknown.
    """
    try:
        about, features = read_collection(path)
    except OSError as error:
        raise KaryoscopeError(f"{path} cannot be read: {error.strerror or error}") from error
    mpp = _stated(about, "mpp", mpp)
    if mpp is None:
        raise KaryoscopeError(f"{path} does not state the size of its pixels: give --mpp")
    found = [feature for feature in features if feature.is_detection] or features
    if "taxonomy" in about:
        taxonomy = Taxonomy.from_dict(about["taxonomy"])
    taxonomy = taxonomy or _taxonomy_of(found)
    rings = [_ring(feature) for feature in found]
    nuclei = _table(found, rings, taxonomy, mpp)
    x, y = about.get("scanned_from", (0, 0))
    return nuclei.shift(x, y) if x or y else nuclei


def _stated(about: dict[str, Any], name: str, given: float | None) -> float | None:
    value = about.get(name, given)
    return None if value is None else float(value)


def _taxonomy_of(features: Sequence[Feature]) -> Taxonomy:
    """Classes that features name, in the order of the alphabet."""
    colors = {f.class_name: f.color or _GREY for f in features if f.class_name}
    if not colors:
        colors = {"nucleus": _GREY}
    classes = [
        {"id": number, "name": name, "color": list(color)}
        for number, (name, color) in enumerate(sorted(colors.items()), 1)
    ]
    return Taxonomy.from_dict({"name": "from GeoJSON", "classes": classes})


def _ring(feature: Feature) -> np.ndarray:
    """Vertices of the largest polygon, not closed: float64, shape (v, 2)."""
    geometry = feature.geometry(nucleus=True)
    parts: list[shapely.Polygon] = [] if geometry is None else list(areas_of(geometry).geoms)
    if not parts:
        kind = "nothing" if geometry is None else geometry.geom_type
        raise KaryoscopeError(f"{feature.path}: {kind} where the outline of a nucleus is needed")
    largest = max(parts, key=lambda part: part.area)
    return np.asarray(largest.exterior.coords)[:-1, :2]


def _table(
    features: Sequence[Feature], rings: list[np.ndarray], taxonomy: Taxonomy, mpp: float
) -> Nuclei:
    import shapely

    count = len(features)
    offsets = np.concatenate([[0], np.cumsum([len(ring) for ring in rings], dtype=np.int64)])
    places = {
        name: taxonomy.id_of(name)
        for name in {f.class_name for f in features}
        if name and name != "unclassified"
    }
    shapes = np.array([shapely.Polygon(ring) for ring in rings], object)
    centres = shapely.get_coordinates(shapely.centroid(shapes)).reshape(-1, 2)
    columns = _measurements(features)
    area = columns.pop("area_um2", np.full(count, np.nan))
    area = np.where(np.isnan(area), shapely.area(shapes) * mpp**2 if count else area, area)
    names = [f"p_{name}" for name in taxonomy.names]
    known = [columns.pop(name) for name in names] if set(names) <= columns.keys() else []
    return Nuclei(
        taxonomy,
        mpp,
        _ids(features),
        np.array([places.get(f.class_name, 0) for f in features], np.uint8),
        centres[:, 0],
        centres[:, 1],
        area,
        np.stack(known, 1) if known else np.zeros((count, 0)),
        np.concatenate([np.zeros((0, 2)), *rings]),
        offsets,
        {name: column.astype(np.float32) for name, column in columns.items()},
    )


def _ids(features: Sequence[Feature]) -> np.ndarray:
    names = [feature.name for feature in features]
    ours = all(n.isascii() and n.isdecimal() and 0 < int(n) < 1 << 32 for n in names)
    if ours and len(set(map(int, names))) == len(names):
        return np.array(list(map(int, names)), np.uint32)
    return np.arange(1, len(names) + 1, dtype=np.uint32)


def _measurements(features: Sequence[Feature]) -> dict[str, np.ndarray]:
    """Columns by the names that files use; NaN where a feature has no such measurement."""
    columns: dict[str, np.ndarray] = {}
    for row, feature in enumerate(features):
        for name, value in feature.measurements.items():
            column = columns.setdefault(written_name(name), np.full(len(features), np.nan))
            column[row] = value
    return columns
