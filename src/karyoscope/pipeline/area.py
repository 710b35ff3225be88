"""What part of a slide is analysed: a region of interest, and within it the tissue."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.pipeline.blocks import Box
from karyoscope.slides import Slide, Tissue
from karyoscope.slides.grid import Grid

#: Areas up to this many grid pixels are analysed whole; looking for tissue would not pay.
_WHOLE_PX = 8_000_000

Roi = tuple[int, int, int, int]
"""x, y, width and height in pixels of level 0."""


@dataclass(frozen=True)
class Area:
    """The part of a slide whose nuclei are wanted.

    Attributes
    ----------
    grid : Grid
        The slide at the model's scale.
    box : Box
        In pixels of level 0.
    whole : bool
        Whether the box is all of the slide.
    tissue : Tissue, Outlines or None
        What to look at in the box; everything if None.
    """

    grid: Grid
    box: Box
    whole: bool
    tissue: Tissue | Outlines | None

    @property
    def on_grid(self) -> Box:
        """Pixels of the grid that the box touches."""
        return Box(
            math.floor(self.box.left / self.grid.scale_x),
            math.floor(self.box.top / self.grid.scale_y),
            min(self.grid.width, math.ceil(self.box.right / self.grid.scale_x)),
            min(self.grid.height, math.ceil(self.box.bottom / self.grid.scale_y)),
        )

    def on_slide(self, part: Box) -> Box:
        """Pixels of level 0, in the area's box, that a part of the grid touches."""
        return self.box.shared(part.scaled(self.grid.scale_x, self.grid.scale_y))

    def measure(self, part: Box) -> float:
        """Pixels of level 0 that are wanted of a part of the grid; 0 where there are none."""
        left, right = (
            min(max(x * self.grid.scale_x, self.box.left), self.box.right)
            for x in (part.left, part.right)
        )
        top, bottom = (
            min(max(y * self.grid.scale_y, self.box.top), self.box.bottom)
            for y in (part.top, part.bottom)
        )
        window = left, top, right - left, bottom - top
        if isinstance(self.tissue, Outlines):
            return self.tissue.measure(*window)
        if self.tissue is None or self.tissue.contains(*window):
            return window[2] * window[3]
        return 0.0

    def keep(self, nuclei: Nuclei) -> Nuclei:
        """Nuclei, in pixels of level 0, whose centroid is wanted."""
        if not self.whole:
            nuclei = nuclei.crop(self.box.left, self.box.top, self.box.width, self.box.height)
        if isinstance(self.tissue, Outlines):
            nuclei = nuclei.take(self.tissue.hold(nuclei.x, nuclei.y))
        return nuclei


class Outlines:
    """Polygons that someone drew, in pixels of level 0.

    Parameters
    ----------
    path : path
        GeoJSON: a feature collection, a list of features, a feature or a geometry. Only polygons
        and multipolygons count; they may overlap.

    Raises
    ------
    KaryoscopeError
        If it cannot be read or holds no polygon.
    """

    def __init__(self, path: str | Path) -> None:
        # Only here: most runs have no need of it.
        import shapely
        from shapely.geometry import shape

        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
            polygons = [shapely.make_valid(shape(g)) for g in _polygons(data)]
        except OSError as error:
            raise KaryoscopeError(f"--tissue {path} cannot be read: {error.strerror}") from error
        except (ValueError, TypeError, KeyError, IndexError, shapely.GEOSException) as error:
            raise KaryoscopeError(f"--tissue {path} is not GeoJSON") from error
        self._geometry = shapely.union_all(polygons)
        if not self._geometry.area > 0:
            raise KaryoscopeError(f"--tissue {path} holds no polygon")
        shapely.prepare(self._geometry)
        self._shapely = shapely

    def measure(self, x: float, y: float, width: float, height: float) -> float:
        """Pixels of a box that lie inside."""
        box = self._shapely.box(x, y, x + width, y + height)
        return float(self._geometry.intersection(box).area)

    def hold(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Whether each point lies inside: bool, shape (n,)."""
        return self._shapely.contains_xy(self._geometry, x, y)


def _polygons(data: Any) -> Iterator[dict[str, Any]]:
    """Geometries of GeoJSON data that are polygons."""
    if isinstance(data, list):
        for item in data:
            yield from _polygons(item)
    elif data["type"] == "FeatureCollection":
        yield from _polygons(data["features"])
    elif data["type"] == "Feature":
        yield from _polygons(data["geometry"] or [])
    elif data["type"] in ("Polygon", "MultiPolygon"):
        yield data


def area_of(slide: Slide, mpp: float, roi: Roi | None = None, tissue: str | Path = "auto") -> Area:
    """Find what to analyse.

    Parameters
    ----------
    slide : Slide
    mpp : float
        µm per pixel of the model.
    roi : (x, y, width, height), optional
        In pixels of level 0; the whole slide by default.
    tissue : {"auto", "none"} or path
        ``auto`` leaves blank glass out, ``none`` nothing; a GeoJSON file names the areas.

    Raises
    ------
    KaryoscopeError
        If the region lies outside the slide or the file cannot be used.
    """
    grid = slide.grid(mpp)
    whole = Box(0, 0, *slide.size)
    box = whole
    if roi is not None:
        x, y, width, height = roi
        box = whole.shared(Box(x, y, x + width, y + height))
        if box.empty:
            raise KaryoscopeError(
                f"{slide.path or slide.name}: the region {x},{y},{width},{height} lies outside the"
                f" slide, which has {whole.width} x {whole.height} pixels"
            )
    pixels = box.width * box.height / (grid.scale_x * grid.scale_y)
    found: Tissue | Outlines | None = None
    if tissue not in ("auto", "none"):
        found = Outlines(tissue)
    elif tissue == "auto" and pixels > _WHOLE_PX:
        found = _tissue_of(slide)
    return Area(grid, box, box == whole, found)


def _tissue_of(slide: Slide) -> Tissue | None:
    try:
        return Tissue.of(slide)
    except KaryoscopeError as error:
        # The thumbnail is damaged, but the slide itself may not be.
        warnings.warn(f"tissue cannot be told from glass, all is analysed: {error}", stacklevel=3)
        return None
