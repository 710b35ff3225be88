r"""Which classes of nuclei lie near which, against random labelling.

The positions stay where they are and the classes are permuted among all classified nuclei, so that
what is tested is the arrangement of the classes, not the density of the tissue (P. J. Diggle,
"Statistical Analysis of Spatial and Spatio-Temporal Point Patterns", 2013, random labelling).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import UNCLASSIFIED, Taxonomy
from karyoscope.features.base import RADIUS_UM

PERMUTATIONS = 199
#: Nuclei whose surroundings are looked at; of more, so many are drawn at random.
MOST_FOCAL = 20_000
#: Neighbours among which the nearest of a class is looked for.
NEAREST = 32


class ClassAssociations:
    """Nearest distances and co-occurrence of every ordered pair of classes.

    Holds 17 bytes per nucleus. The values do not depend on the blocks in which nuclei are added.

    Parameters
    ----------
    taxonomy : Taxonomy
    mpp_xy : (float, float)
        Micrometres per pixel along x and y.
    radius_um : float
        Radius within which nuclei are neighbours, in µm.
    """

    def __init__(
        self, taxonomy: Taxonomy, mpp_xy: tuple[float, float], radius_um: float = RADIUS_UM
    ) -> None:
        self._taxonomy, self._radius = taxonomy, radius_um
        self._mpp = np.array(mpp_xy, np.float64)
        self._points: list[np.ndarray] = []
        self._classes: list[np.ndarray] = []

    def add(self, nuclei: Nuclei) -> None:
        """Take note of a block of nuclei; those without a class are left out."""
        known = nuclei.class_id != UNCLASSIFIED.id
        self._points.append(np.stack([nuclei.x, nuclei.y], 1)[known] * self._mpp)
        self._classes.append(np.searchsorted(self._taxonomy.ids, nuclei.class_id[known]))

    def rows(self) -> list[dict[str, Any]]:
        r"""Return a row for each ordered pair of classes that both have nuclei.

        Returns
        -------
        list of dict
            ``from``, ``to``: names of the classes. ``nearest_um``: median distance from a nucleus
            of the first class to the nearest other one of the second. ``nearest_ratio``: the mean
            of that distance, not beyond the 32nd nearest nucleus, by its mean over 199 random
            labellings; below 1 nearer than at random. ``cooccurrence``: nuclei of the second class
            within the radius of one of the first, by what random labelling makes of it:

            .. math:: \frac{\bar n_{ab}}{\bar n_a (N_b - [a = b]) / (N - 1)}

            with the means of neighbours of the class and of all neighbours; above 1 more often
            than at random (in the manner of D. Schapiro et al., "histoCAT", Nature Methods 14,
            2017, and G. Palla et al., "Squidpy", Nature Methods 19, 2022). ``nearest_z``,
            ``cooccurrence_z``: difference from the mean of the random labellings in their standard
            deviations; ``nearest_p``, ``cooccurrence_p``: two-sided, at least 1/200, not
            adjusted for the number of pairs. None where a value has no meaning.
        """
        points = np.concatenate([np.zeros((0, 2)), *self._points])
        classes = np.concatenate([np.zeros(0, np.int64), *self._classes])
        if len(points) < 3:
            return []
        # In an order that does not depend on the blocks, for the random numbers.
        order = np.lexsort((classes, points[:, 1], points[:, 0]))
        points, classes = points[order], classes[order]
        random = np.random.default_rng(0)
        near = _surroundings(points, self._radius, random)
        count = len(self._taxonomy)
        seen = _Moments.of(near, classes, count)
        labelled = [
            _Moments.of(near, random.permutation(classes), count) for _ in range(PERMUTATIONS)
        ]
        total = np.bincount(classes, minlength=count)
        medians = _medians(points, classes, near.focal, count)
        return [
            self._row(a, b, total, seen, labelled, medians[a, b])
            for a in range(count)
            for b in range(count)
            if total[a] and total[b] and total[a] + total[b] > 1 + (a == b)
        ]

    def _row(
        self,
        a: int,
        b: int,
        total: np.ndarray,
        seen: _Moments,
        labelled: list[_Moments],
        median: float,
    ) -> dict[str, Any]:
        names = self._taxonomy.names
        nearest = _tested(seen.nearest[a, b], np.array([m.nearest[a, b] for m in labelled]))
        together = _tested(seen.together[a, b], np.array([m.together[a, b] for m in labelled]))
        usual = seen.degree[a] * (total[b] - (a == b)) / (total.sum() - 1)
        return {
            "from": names[a],
            "to": names[b],
            "nearest_um": _known(median),
            "nearest_ratio": _known(nearest[0]),
            "nearest_z": _known(nearest[1]),
            "nearest_p": _known(nearest[2]),
            "cooccurrence": _known(seen.together[a, b] / usual if usual > 0 else np.nan),
            "cooccurrence_z": _known(together[1]),
            "cooccurrence_p": _known(together[2]),
        }


@dataclass(frozen=True)
class _Surroundings:
    """Neighbours of some nuclei, whatever their classes."""

    focal: np.ndarray
    #: Rows and distances of the nearest ones, shape (f, k); the last rows may be missing.
    nearest: np.ndarray
    distances: np.ndarray
    #: Pairs within the radius: place among the focal ones, row of the neighbour.
    pair_of: np.ndarray
    pair_to: np.ndarray


def _surroundings(points: np.ndarray, radius: float, random: np.random.Generator) -> _Surroundings:
    # Only here: most runs have no need of it.
    from scipy.spatial import cKDTree

    n = len(points)
    focal = np.arange(n)
    if n > MOST_FOCAL:
        focal = np.sort(random.choice(n, MOST_FOCAL, replace=False))
    # Many points at one place would make a balanced tree endless to build.
    tree = cKDTree(points, balanced_tree=False)
    k = min(NEAREST + 1, n)
    distances, nearest = tree.query(points[focal], k=k)
    other = nearest != focal[:, None]
    # Where many lie at one place, the nucleus itself may not be among the nearest.
    other[other.all(1), -1] = False
    nearest = nearest[other].reshape(len(focal), k - 1)
    distances = distances[other].reshape(len(focal), k - 1)
    own = cKDTree(points[focal], balanced_tree=False)
    pairs = own.sparse_distance_matrix(tree, radius, output_type="ndarray")
    apart = focal[pairs["i"]] != pairs["j"]
    return _Surroundings(focal, nearest, distances, pairs["i"][apart], pairs["j"][apart])


@dataclass(frozen=True)
class _Moments:
    """Means over the focal nuclei of each class, for one labelling."""

    nearest: np.ndarray
    together: np.ndarray
    degree: np.ndarray

    @classmethod
    def of(cls, near: _Surroundings, classes: np.ndarray, count: int) -> _Moments:
        own, around = classes[near.focal], classes[near.nearest]
        members = np.bincount(own, minlength=count).astype(float)
        members[members == 0] = np.nan
        nearest = np.empty((count, count))
        rows = np.arange(len(own))
        for b in range(count):
            held = around == b
            place = np.where(held.any(1), held.argmax(1), held.shape[1] - 1)
            distance = near.distances[rows, place]
            nearest[:, b] = np.bincount(own, distance, minlength=count) / members
        pairs = own[near.pair_of] * count + classes[near.pair_to]
        together = np.bincount(pairs, minlength=count**2).reshape(count, count)
        return cls(nearest, together / members[:, None], together.sum(1) / members)


def _tested(seen: float, random: np.ndarray) -> tuple[float, float, float]:
    """Ratio to the mean of random values, z, and two-sided p."""
    random = random[np.isfinite(random)]
    if not len(random) or not np.isfinite(seen):
        return np.nan, np.nan, np.nan
    mean, deviation = random.mean(), random.std(ddof=1) if len(random) > 1 else 0.0
    # Equal values differ by rounding.
    far = np.abs(random - mean) >= abs(seen - mean) * (1 - 1e-9)
    p = (1 + far.sum()) / (1 + len(random))
    ratio = seen / mean if mean > 0 else np.nan
    return ratio, (seen - mean) / deviation if deviation > 1e-12 else np.nan, p


def _medians(points: np.ndarray, classes: np.ndarray, focal: np.ndarray, count: int) -> np.ndarray:
    """Median distance from focal nuclei of a class to the nearest other one of each class."""
    from scipy.spatial import cKDTree

    found = np.full((count, count), np.nan)
    for b in range(count):
        if not (classes == b).any():
            continue
        tree = cKDTree(points[classes == b], balanced_tree=False)
        for a in range(count):
            places = points[focal[classes[focal] == a]]
            if len(places) and tree.n > (a == b):
                rank = 2 if a == b else 1
                found[a, b] = np.median(tree.query(places, k=[rank])[0])
    return found


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
