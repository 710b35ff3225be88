"""GeoJSON that people drew, read in one way: regions, tissue, annotated nuclei.

A file may begin with a byte order mark or be compressed with gzip; it holds a feature collection, a
list of features or geometries, one feature or one geometry.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from karyoscope.core.errors import KaryoscopeError

if TYPE_CHECKING:
    import shapely

LARGEST_TEXT = 512 << 20
"""Bytes of JSON, at most, once it is unpacked."""

FARTHEST = 1e9
"""Coordinates beyond this, in pixels, are no places on a slide."""

IGNORE = "ignore"
"""Beginning of the names of QuPath's classes for what is to be left out (``Ignore*``)."""

_DAMAGE = (ValueError, TypeError, KeyError, IndexError, AttributeError)

#: Values of QuPath's ``objectType`` for what a program made.
_DETECTED = ("detection", "cell", "tile")

_GEOMETRIES = {
    *("Point", "MultiPoint", "LineString", "MultiLineString"),
    *("Polygon", "MultiPolygon", "GeometryCollection"),
}


@dataclass(frozen=True)
class Feature:
    """One drawn object.

    Attributes
    ----------
    path : Path
        File that it is from.
    data : dict
        A GeoJSON feature, as the file has it.
    """

    path: Path
    data: dict[str, Any]

    @property
    def _properties(self) -> dict[str, Any]:
        properties = self.data.get("properties")
        return properties if isinstance(properties, dict) else {}

    @property
    def name(self) -> str:
        """Name that the object was given; empty where it has none."""
        return str(self._properties.get("name") or "").strip()

    @property
    def id(self) -> str:
        """Identifier of the object, in QuPath a UUID; empty where it has none."""
        return str(self.data.get("id") or "").strip()

    @property
    def class_label(self) -> str:
        """Name of QuPath's classification as it is in the file; empty if there is none."""
        given = self._properties.get("classification")
        if not isinstance(given, dict):
            return str(given or "").strip()
        # QuPath writes "names" for classes derived from others, such as Tumor: Positive.
        names = given.get("names")
        derived = ": ".join(map(str, names)) if isinstance(names, list) else ""
        return str(given.get("name") or derived).strip()

    @property
    def class_name(self) -> str:
        """Name of QuPath's classification, lower case; empty where there is none."""
        return self.class_label.lower()

    @property
    def color(self) -> tuple[int, int, int] | None:
        """Colour of the classification, or of the object itself; None where neither has one."""
        given = self._properties.get("classification")
        for holder in (self._properties, given if isinstance(given, dict) else {}):
            color = holder.get("color")
            if (
                isinstance(color, list)
                and len(color) == 3
                and all(isinstance(part, int) and 0 <= part <= 255 for part in color)
            ):
                return color[0], color[1], color[2]
            packed = holder.get("colorRGB")  # how QuPath wrote colours before 0.4
            if isinstance(packed, int) and abs(packed) < 1 << 32:
                return packed >> 16 & 255, packed >> 8 & 255, packed & 255
        return None

    @property
    def measurements(self) -> dict[str, float]:
        """Numbers that QuPath lists as measurements, by name."""
        given = self._properties.get("measurements")
        if isinstance(given, list):  # how QuPath wrote them before 0.4
            given = {m.get("name"): m.get("value") for m in given if isinstance(m, dict)}
        pairs = given.items() if isinstance(given, dict) else ()
        return {str(n): float(v) for n, v in pairs if isinstance(v, (int, float))}

    @property
    def is_detection(self) -> bool:
        """Whether the object is a detection of QuPath, and not an annotation."""
        return self._properties.get("objectType") in _DETECTED

    @property
    def ignored(self) -> bool:
        """Whether the region is excluded from analysis."""
        return self.class_name.startswith(IGNORE)

    def geometry(self, nucleus: bool = False) -> shapely.Geometry | None:
        """Geometry in pixels, x to the right and y down; None where there is none.

        Parameters
        ----------
        nucleus : bool
            Take the nucleus of each of QuPath's cells, not the cell.

        Raises
        ------
        KaryoscopeError
            If it is damaged or has coordinates that are no places on a slide.
        """
        data = (self.data.get("nucleusGeometry") if nucleus else None) or self.data.get("geometry")
        return _geometry(data, self.path) if data else None


def read_features(path: str | Path) -> list[Feature]:
    """Features of a GeoJSON file.

    Raises
    ------
    KaryoscopeError
        If it is not GeoJSON, too large, or no file.
    OSError
        If it cannot be read.
    """
    return read_collection(path)[1]


def read_collection(path: str | Path) -> tuple[dict[str, Any], list[Feature]]:
    """Member ``metadata`` and features of a GeoJSON file; errors as of :func:`read_features`.

    Returns
    -------
    dict
        Empty where the file has none.
    list of Feature
    """
    path = Path(path)
    try:
        data = json.loads(_text(path))
        found = [Feature(path, item) for item in _items(data)]
    except (ValueError, KeyError, TypeError) as error:
        line = " ".join(str(error).split())[:120]
        raise KaryoscopeError(f"{path} is not GeoJSON: {line}") from error
    except RecursionError as error:
        raise KaryoscopeError(f"{path} is not GeoJSON: it is nested too deeply") from error
    except MemoryError as error:
        raise KaryoscopeError(f"{path}: not enough memory to read it") from error
    metadata = data.get("metadata") if isinstance(data, dict) else None
    return metadata if isinstance(metadata, dict) else {}, found


def areas_of(geometry: shapely.Geometry) -> shapely.MultiPolygon:
    """Polygons of a geometry, also of a collection; empty where there are none."""
    import shapely

    parts = list(_simple(geometry))
    return shapely.MultiPolygon([part for part in parts if part.geom_type == "Polygon"])


def points_of(geometry: shapely.Geometry) -> list[tuple[float, float]]:
    """Points of a geometry, also of a collection."""
    return [(part.x, part.y) for part in _simple(geometry) if part.geom_type == "Point"]


def _simple(geometry: shapely.Geometry) -> Iterator[Any]:
    """Single geometries of a collection, at any depth."""
    import shapely

    for part in shapely.get_parts(geometry):
        if part.geom_type.startswith(("Multi", "GeometryCollection")):
            yield from _simple(part)
        elif not part.is_empty:
            yield part


def _text(path: Path) -> str:
    if path.exists() and not path.is_file():
        raise KaryoscopeError(f"{path} is not GeoJSON: it is not a file")
    with path.open("rb") as file:
        raw = file.read(LARGEST_TEXT + 1)
    if raw.startswith(b"\x1f\x8b"):
        unpack = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            raw = unpack.decompress(raw, LARGEST_TEXT + 1)
        except zlib.error as error:
            raise ValueError(f"damaged gzip data, {error}") from error
        if not unpack.eof and len(raw) <= LARGEST_TEXT:
            raise ValueError("its gzip data are truncated")
    if len(raw) > LARGEST_TEXT:
        raise KaryoscopeError(f"{path} holds more than {LARGEST_TEXT >> 20} MB of JSON")
    return raw.decode(json.detect_encoding(raw))


def _items(data: Any) -> Iterator[dict[str, Any]]:
    """Features of what a file holds; a geometry alone becomes one."""
    if isinstance(data, list):
        for item in data:
            if not isinstance(item, dict):
                raise ValueError("a list of something else than features")
            yield from _items(item)
    elif not isinstance(data, dict):
        raise ValueError("neither features nor a geometry")
    elif data.get("type") == "FeatureCollection":
        if not isinstance(data["features"], list):
            raise ValueError("its features are no list")
        yield from _items(data["features"])
    elif data.get("type") == "Feature" or "geometry" in data:
        yield data
    elif data.get("type") in _GEOMETRIES:
        yield {"type": "Feature", "geometry": data, "properties": {}}
    else:
        raise ValueError("neither features nor a geometry")


def _geometry(data: Any, path: Path) -> shapely.Geometry:
    import numpy as np
    import shapely
    from shapely.geometry import shape

    try:
        try:
            geometry = shapely.from_geojson(json.dumps(data))
        except shapely.GEOSException:
            geometry = shape(data)  # closes rings that are left open
        places = shapely.get_coordinates(geometry)
    except RecursionError as error:
        raise KaryoscopeError(f"{path} is not GeoJSON: it is nested too deeply") from error
    except (*_DAMAGE, shapely.errors.ShapelyError) as error:
        line = " ".join(str(error).split())[:120]
        raise KaryoscopeError(f"{path} is not GeoJSON: a damaged geometry, {line}") from error
    if not (np.abs(places) < FARTHEST).all():
        raise KaryoscopeError(
            f"{path} is not GeoJSON of a slide: its coordinates are not pixel positions"
        )
    return geometry
