"""Between polygons and label maps, exactly: pixel by pixel centre, holes and parts included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

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
    import shapely  # Late, so that a bare GPU machine validates without.

    if geometry.is_empty:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    left, top, right, bottom = geometry.bounds
    rows = np.arange(
        max(0, int(np.ceil(top - origin))), min(shape[0], int(np.floor(bottom - origin)) + 1)
    )
    columns = np.arange(
        max(0, int(np.ceil(left - origin))), min(shape[1], int(np.floor(right - origin)) + 1)
    )
    if not len(rows) or not len(columns):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    x, y = np.meshgrid(columns + origin, rows + origin)
    shapely.prepare(geometry)
    inside = shapely.intersects_xy(geometry, x, y)
    return rows[np.nonzero(inside)[0]], columns[np.nonzero(inside)[1]]


def paint(
    label: np.ndarray, geometry: BaseGeometry, value: int, origin: float = CORNER_ORIGIN
) -> None:
    """Write ``value`` to the covered pixels that are still 0: earlier polygons keep theirs."""
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
