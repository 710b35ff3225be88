"""Where a nucleus's neighbours are: distances and local densities by class."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import UNCLASSIFIED, Taxonomy
from karyoscope.features.base import (
    CLASS,
    RADIUS_UM,
    Feature,
    FeatureContext,
    FeatureGroup,
    expand,
)

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

COLUMNS = (
    Feature("nearest_um", "µm", "distance from the centroid to the nearest other centroid"),
    Feature(
        f"nearest_{CLASS}_um",
        "µm",
        "distance from the centroid to the nearest other centroid of the class",
    ),
    Feature(
        "density_50um_per_mm2",
        "1/mm²",
        "number of other centroids within 50 µm, divided by the area of that circle",
    ),
    Feature(
        f"density_50um_{CLASS}_per_mm2",
        "1/mm²",
        "number of other centroids of the class within 50 µm, divided by the area of that circle",
    ),
)


class Neighbourhood:
    """Distances to and densities of neighbouring nuclei, once all nuclei of a slide are known.

    Holds about 35 bytes per nucleus: a million take 35 MB. The values do not depend on the blocks
    in which the nuclei were added.

    Parameters
    ----------
    taxonomy : Taxonomy
        Classes of the nuclei.
    mpp_xy : (float, float)
        Micrometres per pixel along x and y.
    radius_um : float
        Radius of the circle that densities refer to, in µm.
    """

    def __init__(
        self, taxonomy: Taxonomy, mpp_xy: tuple[float, float], radius_um: float = RADIUS_UM
    ) -> None:
        self._taxonomy = taxonomy
        self._mpp = np.array(mpp_xy, np.float64)
        self._radius = radius_um
        self._parts: dict[int, list[np.ndarray]] = {}

    def add(self, nuclei: Nuclei) -> None:
        """Add a block of nuclei; only before the first call of :meth:`features`."""
        points = self._points(nuclei)
        for class_id in np.unique(nuclei.class_id).tolist():
            self._parts.setdefault(class_id, []).append(points[nuclei.class_id == class_id])

    def features(self, nuclei: Nuclei) -> dict[str, np.ndarray]:
        """Measure the neighbourhood of nuclei that were all added before.

        Returns
        -------
        dict of str to ndarray of float32, shape (n,)
            The columns of the group ``neighbours``; a distance is NaN where there is no other
            nucleus (of the class).
        """
        points, ids = self._points(nuclei), (UNCLASSIFIED.id, *self._taxonomy.ids)
        nearest = np.full((len(ids), len(nuclei)), np.inf)
        counts = np.zeros((len(ids), len(nuclei)))
        for k, class_id in enumerate(ids):
            if class_id in self._trees:
                own = nuclei.class_id == class_id
                nearest[k], counts[k] = self._of_class(self._trees[class_id], points, own)
        per_mm2 = 1e6 / (math.pi * self._radius**2)
        distances = [nearest.min(0), *nearest[1:]]
        densities = [counts.sum(0) * per_mm2, *(counts[1:] * per_mm2)]
        names = [f.name for f in expand(COLUMNS, self._taxonomy, self._radius)]
        columns = [np.where(np.isfinite(d), d, np.nan) for d in distances] + densities
        return {n: c.astype(np.float32) for n, c in zip(names, columns, strict=True)}

    measure = features

    def _of_class(
        self, tree: cKDTree, points: np.ndarray, own: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Distance to the nearest, and how many are near, without the nucleus itself."""
        nearest = np.empty(len(points))
        nearest[~own] = tree.query(points[~own])[0]
        # The nearest is itself, or one at the very same place, which is as near.
        nearest[own] = tree.query(points[own], k=[2])[0][:, 0]
        counts = tree.query_ball_point(points, self._radius, return_length=True)
        return nearest, counts - own

    @cached_property
    def _trees(self) -> dict[int, cKDTree]:
        # Only here: most runs have no need of it.
        from scipy.spatial import cKDTree

        # Many nuclei at one place would make a balanced tree endless to build.
        trees = {}
        for class_id in list(self._parts):
            points = np.concatenate(self._parts.pop(class_id))
            trees[class_id] = cKDTree(points, balanced_tree=False)
        return trees

    def _points(self, nuclei: Nuclei) -> np.ndarray:
        return np.stack([nuclei.x, nuclei.y], 1) * self._mpp


def _start(context: FeatureContext) -> Neighbourhood:
    return Neighbourhood(context.taxonomy, context.mpp_xy, context.radius_um)


NEIGHBOURS = FeatureGroup("neighbours", "Neighbours", COLUMNS, _start, needs_all=True)
