"""Regions that someone drew on a slide and wants numbers of: a tumour, a lumen, a core."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError

if TYPE_CHECKING:
    import shapely

OUTSIDE = ""
"""Value of the column ``region`` for nuclei in none."""

COLUMN = "region"
"""Name of the column that says in which region a nucleus lies."""

DEFAULT_COLOR = (33, 37, 41)


@dataclass(frozen=True)
class Region:
    """One annotation.

    Attributes
    ----------
    name : str
        No other region of the slide has it.
    geometry : shapely.Geometry
        Valid polygon or multipolygon, in pixels of level 0, holes left out; empty where the
        annotation lies outside the slide.
    class_name : str
        Name of its class as it was written; empty where it has none.
    id : str
        Identifier in the file that it is from.
    color : tuple of int
        Red, green and blue, 0 to 255.
    """

    name: str
    geometry: shapely.Geometry
    class_name: str = ""
    id: str = ""
    color: tuple[int, int, int] = DEFAULT_COLOR

    def rings(self) -> list[np.ndarray]:
        """Outlines and holes, each (n, 2) float64, x and y in pixels of level 0."""
        import shapely

        parts = shapely.get_rings(shapely.get_parts(self.geometry))
        return [shapely.get_coordinates(ring) for ring in parts]


class Regions(Sequence[Region]):
    """The annotations of one slide.

    A nucleus lies in a region where its centroid does; a centroid on the outline is outside. Where
    regions overlap it lies in each of them, and :meth:`innermost` is the smallest.

    Parameters
    ----------
    regions : iterable of Region

    Attributes
    ----------
    classes : tuple of str
        Names of the classes of the regions, in order of appearance, without the empty one.
    """

    def __init__(self, regions: Iterable[Region] = ()) -> None:
        self._regions = tuple(regions)
        self.classes = tuple(dict.fromkeys(r.class_name for r in self._regions if r.class_name))

    def __len__(self) -> int:
        return len(self._regions)

    def __getitem__(self, place: int) -> Region:  # type: ignore[override]
        return self._regions[place]

    def holding(self, x: np.ndarray, y: np.ndarray) -> dict[int, np.ndarray]:
        """Determine which points lie in which regions.

        Parameters
        ----------
        x, y : ndarray of float, shape (n,)
            Points in pixels of level 0.

        Returns
        -------
        dict of int to ndarray of int
            Rows of the points in a region, by the place of the region; without those that hold
            none.
        """
        if not len(x) or not len(self):
            return {}
        # Only here: most runs have no need of it.
        import shapely

        box = shapely.box(np.min(x), np.min(y), np.max(x), np.max(y))
        found = {}
        for place in np.sort(self._tree.query(box)).tolist():
            left, top, right, bottom = self._bounds[place]
            rows = np.flatnonzero((x >= left) & (x <= right) & (y >= top) & (y <= bottom))
            inside = shapely.contains_xy(self[place].geometry, x[rows], y[rows])
            if inside.any():
                found[place] = rows[inside]
        return found

    def innermost(self, count: int, holding: dict[int, np.ndarray]) -> np.ndarray:
        """Place of the smallest region that holds each point, the first of equally small ones.

        Parameters
        ----------
        count : int
            Number of points.
        holding : dict
            Result of :meth:`holding`.

        Returns
        -------
        ndarray of int, shape (count,)
            -1 where no region does.
        """
        innermost = np.full(count, -1)
        # The smaller ones, and the first of equals, are written last.
        for place in sorted(holding, key=lambda p: (-self[p].geometry.area, -p)):
            innermost[holding[place]] = place
        return innermost

    def names_of(self, places: np.ndarray) -> np.ndarray:
        """Names of regions by place, of type object; :data:`OUTSIDE` for -1."""
        names = np.array([*(region.name for region in self), OUTSIDE], object)
        return np.asarray(names[places], object)

    def meeting(self, geometry: shapely.Geometry) -> list[int]:
        """Places of the regions whose boxes meet that of a geometry."""
        return sorted(self._tree.query(geometry).tolist()) if len(self) else []

    @cached_property
    def _tree(self) -> shapely.STRtree:
        import shapely

        geometries = [region.geometry for region in self]
        for geometry in geometries:
            shapely.prepare(geometry)
        return shapely.STRtree(geometries)

    @cached_property
    def _bounds(self) -> np.ndarray:
        import shapely

        return np.asarray(shapely.bounds([region.geometry for region in self]))


def area_of(region: Any) -> shapely.Geometry:
    """Area of a region that is described in pixels of level 0.

    Parameters
    ----------
    region : shapely geometry, Region, GeoSeries, path, or ndarray of shape (v, 2)
        A GeoJSON file gives the areas of all its features, but those of the classes ``Ignore*``,
        in the coordinates that it holds. A GeoSeries or GeoDataFrame gives that of all its rows.

    Returns
    -------
    shapely.Geometry
        Valid polygon or multipolygon.

    Raises
    ------
    KaryoscopeError
        If it is none of these, or has no area.
    """
    import shapely

    from karyoscope.core.geojson import areas_of, read_features

    if isinstance(region, Region):
        region = region.geometry
    if isinstance(region, (str, Path)):
        label: Any = region
        features = [feature for feature in read_features(region) if not feature.ignored]
        found = [geometry for f in features if (geometry := f.geometry()) is not None]
    else:
        label = f"the region, {type(region).__name__},"
        found = _geometries(region)
    areas = [areas_of(geometry) for geometry in found]
    area = shapely.union_all([shapely.make_valid(part) for part in areas])
    if not area.area > 0:
        raise KaryoscopeError(f"{label} has no area")
    return area


def _geometries(region: Any) -> list[shapely.Geometry]:
    """Geometries of a region that is no file."""
    import shapely
    from shapely.geometry import shape

    if isinstance(region, shapely.Geometry):
        return [region]
    try:
        if hasattr(region, "geometry"):  # a column of geopandas, or a table with one
            return [geometry for geometry in region.geometry if geometry is not None]
        if hasattr(region, "__geo_interface__"):
            return [shape(region.__geo_interface__)]
        ring = np.asarray(region, np.float64)
        if ring.ndim == 2 and ring.shape[1] == 2 and len(ring) > 2:
            return [shapely.Polygon(ring)]
    except (TypeError, ValueError, AttributeError, shapely.errors.ShapelyError):
        pass
    raise KaryoscopeError(
        f"a region is a shapely geometry, vertices of shape (v, 2), or a GeoJSON file, not"
        f" {type(region).__name__}"
    )


def distinct_names(wanted: Iterable[tuple[str, str]]) -> list[str]:
    """Names of regions, each once.

    Parameters
    ----------
    wanted : iterable of (str, str)
        Name that someone gave, or an empty text, and name of the class.

    Returns
    -------
    list of str
        A region without a name is called by its class, or ``annotation``, and a number that counts
        those; the second of a name that was given twice has `` (2)`` after it.

    Examples
    --------
    >>> distinct_names([("A", ""), ("A", "Tumour"), ("", "Tumour"), ("", "Tumour"), ("", "")])
    ['A', 'A (2)', 'Tumour 1', 'Tumour 2', 'annotation 1']
    """
    pairs = list(wanted)
    taken = {name for name, _ in pairs if name}
    used: set[str] = set()
    numbers: dict[str, int] = {}

    def numbered(stem: str, pattern: str, first: int) -> str:
        number = numbers.get(stem + pattern, first)
        while (name := pattern.format(stem, number)) in taken | used:
            number += 1
        numbers[stem + pattern] = number + 1
        return name

    found = []
    for name, class_name in pairs:
        if not name:
            name = numbered(class_name or "annotation", "{} {}", 1)
        elif name in used:
            name = numbered(name, "{} ({})", 2)
        used.add(name)
        found.append(name)
    return found
