"""Between polygons and label maps, exactly: pixel by pixel centre, holes and parts included."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from karyoscope.core.errors import KaryoscopeError

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

# Where the centre of pixel (0, 0) lies in the coordinates of the polygons.
CORNER_ORIGIN = 0.5
"""QuPath, GeoJSON: the origin is the corner of the top left pixel."""
CENTRE_ORIGIN = 0.0
"""Aperio XML as its datasets rasterise it: the origin is the centre of the top left pixel."""


def covered_pixels(
    geometry: BaseGeometry, shape: tuple[int, int], origin: float
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels whose centre lies in or on a polygon.

    Parameters
    ----------
    geometry : Polygon or MultiPolygon
        May be invalid (a hand-drawn outline that crosses itself): then by the even-odd rule.
    shape : tuple of int
        Height and width of the image.
    origin : float
        ``CORNER_ORIGIN`` or ``CENTRE_ORIGIN``.

    Returns
    -------
    rows, columns : ndarray of int64
    """
    # Late, so that a bare GPU machine validates without.
    import shapely

    from karyoscope.core.raster import fill_polygon

    if geometry.is_empty:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    left, top, right, bottom = geometry.bounds
    rows = max(0, math.ceil(top - origin)), min(shape[0], math.floor(bottom - origin) + 1)
    columns = max(0, math.ceil(left - origin)), min(shape[1], math.floor(right - origin) + 1)
    size = max(0, columns[1] - columns[0]), max(0, rows[1] - rows[0])
    rings = shapely.get_rings(shapely.get_parts(geometry))
    vertices, ring = shapely.get_coordinates(rings, return_index=True)
    offsets = np.searchsorted(ring, np.arange(len(rings) + 1))
    # The centre of the first pixel is at 0.5 where pixels are filled.
    inside = fill_polygon(vertices + (0.5 - origin), offsets, columns[0], rows[0], *size)
    row, column = np.nonzero(inside)
    return row + rows[0], column + columns[0]


def check_on_image(outlines: Sequence[BaseGeometry], shape: tuple[int, ...], path: Path) -> None:
    """Refuse outlines of which most lie beside the image, as where they are of another scale.

    Parameters
    ----------
    outlines : sequence of Polygon or MultiPolygon
        Outlines in pixels of the image.
    shape : tuple of int
        Height and width of the image.
    path : Path
        Named in the error.

    Raises
    ------
    KaryoscopeError
        If a coordinate is no number, or more than half of their boxes lie wholly outside.
    """
    import shapely

    if not outlines:
        return
    left, top, right, bottom = shapely.bounds(list(outlines)).reshape(-1, 4).T
    if not np.isfinite(shapely.get_coordinates(list(outlines))).all():
        raise KaryoscopeError(f"{path}: an outline has coordinates that are no numbers")
    outside = (right < 0) | (bottom < 0) | (left > shape[1]) | (top > shape[0])
    if outside.sum() * 2 > len(outlines):
        raise KaryoscopeError(
            f"{path}: {outside.sum()} of {len(outlines)} outlines lie outside the image of"
            f" {shape[1]} x {shape[0]} pixels; are they of another image or another scale?"
        )


def paint(
    label: np.ndarray, geometry: BaseGeometry, value: int, origin: float = CORNER_ORIGIN
) -> None:
    """Write ``value`` to the pixels of a polygon that are still 0."""
    rows, columns = covered_pixels(geometry, label.shape[:2], origin)
    free = label[rows, columns] == 0
    label[rows[free], columns[free]] = value


def pixel_polygon(mask: np.ndarray, x: int, y: int) -> BaseGeometry:
    """Polygon along the edges of a mask's pixels; :func:`paint` gives the mask back.

    Parameters
    ----------
    mask : ndarray of bool, shape (h, w)
        One nucleus; holes and separate parts are kept.
    x, y : int
        Top left pixel of the mask in the image.

    Returns
    -------
    Polygon or MultiPolygon
        Origin at the corner of the image's top left pixel.
    """
    import shapely

    padded = np.pad(mask.astype(np.int8), ((0, 0), (1, 1)))
    change = np.diff(padded, axis=1)
    rows, starts = np.nonzero(change == 1)
    stops = np.nonzero(change == -1)[1]
    runs = shapely.box(starts + x, rows + y, stops + x, rows + y + 1)
    return shapely.union_all(runs)
