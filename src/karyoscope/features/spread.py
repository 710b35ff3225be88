"""How nuclei are distributed over a region: spacing, regularity, mixture of classes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import shapely


def spread_of(
    points: np.ndarray | None,
    region: shapely.Geometry | None,
    counts: np.ndarray,
    mpp_xy: np.ndarray,
) -> dict[str, float | None]:
    """Score how nuclei are distributed over a region.

    Parameters
    ----------
    points : ndarray of float, shape (n, 2), optional
        Centroids in the region, in pixels of level 0.
    region : shapely.Geometry, optional
        Outline of the area, in pixels of level 0. Without an outline only the entropy is known.
    counts : ndarray of int
        Number of nuclei of each class.
    mpp_xy : ndarray of float, shape (2,)
        Micrometres per pixel along x and y.

    Returns
    -------
    dict of str to float or None
        None where a value has no meaning. ``nearest_um``: median distance from a centroid to the
        nearest other one in the region. ``clark_evans``: mean of those distances, divided by its
        expected value if as many points lay at random in the region (P. J. Clark, F. C. Evans,
        Ecology 35, 1954), with the correction for its edge of K. P. Donnelly (1978), which is exact
        for rectangles and holds well for smooth outlines; below 1 clustered, above 1 regular.
        ``class_entropy_bits``: Shannon's entropy of the shares of the classes.
    """
    nearest = None if points is None else _nearest(points * mpp_xy)
    known = nearest is not None and len(nearest) > 0
    return {
        "nearest_um": float(np.median(nearest)) if nearest is not None and known else None,
        "clark_evans": _clark_evans(nearest, region, mpp_xy) if nearest is not None else None,
        "class_entropy_bits": _entropy(counts),
    }


def _nearest(points: np.ndarray) -> np.ndarray:
    """Distance from each point to the nearest other; none where there are fewer than two."""
    # Only here: most runs have no need of it.
    from scipy.spatial import cKDTree

    if len(points) < 2:
        return np.zeros(0)
    # Many points at one place would make a balanced tree endless to build.
    tree = cKDTree(points, balanced_tree=False)
    return np.asarray(tree.query(points, k=[2])[0][:, 0])


def _clark_evans(
    nearest: np.ndarray, region: shapely.Geometry | None, mpp_xy: np.ndarray
) -> float | None:
    import shapely

    if not len(nearest) or region is None:
        return None
    scaled = shapely.transform(region, lambda places: places * mpp_xy)
    area, perimeter, n = scaled.area, scaled.length, len(nearest)
    if not area > 0:
        return None
    edge = (0.0514 + 0.041 / math.sqrt(n)) * perimeter / n
    return float(nearest.mean() / (0.5 * math.sqrt(area / n) + edge))


def _entropy(counts: np.ndarray) -> float | None:
    total = counts.sum()
    if not total:
        return None
    shares = counts[counts > 0] / total
    return float(max(0.0, -(shares * np.log2(shares)).sum()))
