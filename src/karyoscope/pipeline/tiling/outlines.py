"""Polygons that someone drew on a slide, in GeoJSON."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from karyoscope.core.errors import KaryoscopeError, in_words_of_caller
from karyoscope.core.geojson import Feature, areas_of, read_features
from karyoscope.core.remarks import warn
from karyoscope.pipeline.tiling.blocks import Box
from karyoscope.slides import Slide

if TYPE_CHECKING:
    import shapely

OUTSIDE = 0.001
"""Share of the drawn area that may lie beyond the slide without a word: a slip of the hand."""


class Outlines:
    """An area drawn by a user, in pixels of level 0.

    Parameters
    ----------
    geometry : shapely geometry
        Valid, with an area.
    """

    def __init__(self, geometry: shapely.Geometry) -> None:
        # Only here: most runs have no need of it.
        import shapely

        self._geometry = geometry
        shapely.prepare(geometry)
        self._shapely = shapely

    @classmethod
    def read(cls, path: str | Path, slide: Slide, option: str = "--tissue") -> Self:
        """Read the polygons of a GeoJSON file that was drawn on a slide.

        Positions count from the corner of the part that was scanned, where the format tells it
        (MRXS, SCN, some of Hamamatsu), as QuPath writes them and as our own GeoJSON has them.
        Areas of QuPath's classes ``Ignore*`` are left out; if there are no others, they are left
        out of the whole slide.

        Parameters
        ----------
        path : path
            Polygons and multipolygons count, also those in collections; they may overlap.
        slide : Slide
            Warns where some of the area lies beyond it.
        option : str
            Names the file in messages.

        Raises
        ------
        KaryoscopeError
            If it cannot be read, holds no polygon, or lies beside the slide.
        """
        import shapely

        wanted, ignored = _polygons(features_of(path, option))
        label, whole = slide.path or slide.name, shapely.box(0, 0, *slide.size)
        drawn, out = (placed(shapely.union_all(areas), slide) for areas in (wanted, ignored))
        if not wanted and ignored:
            drawn = whole
        if not drawn.area > 0:
            raise KaryoscopeError(f"{option} {path} holds no polygon")
        inside = shapely.intersection(drawn, whole)
        if not inside.area > 0:
            raise KaryoscopeError(f"{label}: {option} {path} lies outside {extent_of(slide)}")
        beyond = 1 - inside.area / drawn.area
        if beyond > OUTSIDE:
            line = f"{100 * beyond:.0f} % of the area of {option} {path} lies outside"
            warn(in_words_of_caller(f"{label}: {line} {extent_of(slide)}"), stacklevel=3)
        inside = shapely.difference(inside, out)
        if not inside.area > 0:
            raise KaryoscopeError(f"{option} {path} leaves nothing: all of it is ignored")
        return cls(inside)

    @property
    def geometry(self) -> shapely.Geometry:
        """The area, in pixels of level 0."""
        return self._geometry

    @property
    def box(self) -> Box:
        """Smallest box of whole pixels around the area."""
        left, top, right, bottom = self._geometry.bounds
        return Box(int(left), int(top), int(np.ceil(right)), int(np.ceil(bottom)))

    def shared(self, other: Outlines) -> Outlines:
        """Return the area that both have; it may be empty."""
        return Outlines(self._shapely.intersection(self._geometry, other._geometry))

    def measure(self, x: float, y: float, width: float, height: float) -> float:
        """Area of a box that lies inside, in pixels of level 0."""
        box = self._shapely.box(x, y, x + width, y + height)
        # Both are quick where the outline has many points, since it is prepared.
        if not self._geometry.intersects(box):
            return 0.0
        if self._geometry.covers(box):
            return width * height
        return float(self._geometry.intersection(box).area)

    def hold(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Whether each point lies inside: bool, shape (n,)."""
        return np.asarray(self._shapely.contains_xy(self._geometry, x, y))


def features_of(path: str | Path, option: str) -> list[Feature]:
    """Read the features of a file that an option names.

    Raises
    ------
    KaryoscopeError
        If it cannot be read or is not GeoJSON; the message names the option.
    """
    try:
        return read_features(path)
    except OSError as error:
        raise KaryoscopeError(f"{option} {path} cannot be read: {error.strerror}") from error
    except KaryoscopeError as error:
        raise KaryoscopeError(f"{option} {error}") from error


def placed(geometry: shapely.Geometry, slide: Slide) -> shapely.Geometry:
    """Move a geometry from QuPath's origin, the corner of the scanned part, to that of level 0."""
    import shapely

    corner = np.array(slide.bounds[:2])
    return shapely.transform(geometry, lambda places: places + corner)


def extent_of(slide: Slide) -> str:
    """Return the size of a slide, and the origin of QuPath's coordinates on it."""
    left, top = slide.bounds[:2]
    counted = f", counted from its scanned part at {left},{top}" if left or top else ""
    return f"the slide, which has {slide.size[0]} x {slide.size[1]} pixels{counted}"


def valid_areas(feature: Feature) -> shapely.Geometry | None:
    """Return the areas of a feature, in the coordinates of its file, or None if it has no area.

    A hand-drawn outline that crosses itself becomes the areas that it encloses.

    Raises
    ------
    KaryoscopeError
        If the geometry is damaged.
    """
    import shapely

    geometry = feature.geometry()
    areas = None if geometry is None else areas_of(geometry)
    if areas is None or areas.is_empty:
        return None
    valid = areas_of(shapely.make_valid(areas))
    return valid if valid.area > 0 else None


def _polygons(
    features: Iterable[Feature],
) -> tuple[list[shapely.Geometry], list[shapely.Geometry]]:
    """Areas that are wanted, and those of QuPath's classes ``Ignore*``."""
    kinds: tuple[list[shapely.Geometry], list[shapely.Geometry]] = [], []
    for feature in features:
        areas = valid_areas(feature)
        if areas is not None:
            kinds[feature.ignored].append(areas)
    return kinds
