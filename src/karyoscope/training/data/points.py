"""Point annotations as a label map: what is known of each pixel of their image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from karyoscope.targets.points import BACKGROUND, BETWEEN, FIRST_POINT

if TYPE_CHECKING:
    from karyoscope.training.recipe.schema import PointLabels

#: Rows of an image that are compared with the points at a time.
_ROWS = 256
#: Halfway between two points lie the pixels whose centre is this near to the line, in pixels.
_HALFWAY_PX = 0.75


def point_map(
    points: np.ndarray, shape: tuple[int, int], mpp: float, settings: PointLabels
) -> tuple[np.ndarray, np.ndarray]:
    """Mark the nuclei of an image, the background, and the lines halfway between nuclei.

    Parameters
    ----------
    points : ndarray, shape (n, 2 or more)
        x and y in pixels, with the origin at the corner of the first pixel.
    shape : tuple of int
        Height and width of the image.
    mpp : float
        Micrometres per pixel.
    settings : PointLabels
        Radii in micrometres.

    Returns
    -------
    ids : ndarray of int32, shape (h, w)
        ``FIRST_POINT - k`` around point k, ``BACKGROUND`` far from all points, ``BETWEEN``
        halfway between two of which neither is far, and -1 elsewhere; see
        :mod:`karyoscope.targets.points`. The pixel that holds a point is always the point's.
    nearest : ndarray of int64, shape (h, w)
        Number of the point of each pixel around a point, 0 elsewhere.
    """
    # Imported late, as the readers are: a packed set has no points.
    from scipy.spatial import cKDTree

    ids = np.full(shape, -1, np.int32)
    nearest = np.zeros(shape, np.int64)
    exhaustive = settings.background is not None
    if not len(points):
        return (np.full(shape, BACKGROUND, np.int32) if exhaustive else ids), nearest
    where = np.asarray(points, float)[:, :2]
    tree = cKDTree(where)
    far = settings.background / mpp if settings.background is not None else np.inf
    for top in range(0, shape[0], _ROWS):
        rows = slice(top, min(top + _ROWS, shape[0]))
        y, x = np.mgrid[rows, 0 : shape[1]] + 0.5
        distance, number = tree.query(np.stack([x, y], -1), k=2)
        first, second = distance[..., 0], distance[..., 1]
        part = ids[rows]
        if len(where) > 1:
            apart = np.hypot(*(where[number[..., 0]] - where[number[..., 1]]).T).T
            # Distance to the line on which both points are equally far.
            to_line = (second**2 - first**2) / (2 * np.maximum(apart, 1e-6))
            part[(to_line <= _HALFWAY_PX) & (second <= far)] = BETWEEN
        if exhaustive:
            part[first > far] = BACKGROUND
        at_point = first <= settings.nucleus / mpp
        part[at_point] = FIRST_POINT - number[..., 0][at_point]
        nearest[rows][at_point] = number[..., 0][at_point]
    column, row = np.floor(where.T).astype(np.int64)
    inside = (column >= 0) & (row >= 0) & (column < shape[1]) & (row < shape[0])
    numbers = np.flatnonzero(inside)
    ids[row[inside], column[inside]] = FIRST_POINT - numbers
    nearest[row[inside], column[inside]] = numbers
    return ids, nearest
