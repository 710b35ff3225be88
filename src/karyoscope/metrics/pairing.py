"""Pairing of true and predicted points by distance."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from karyoscope.errors import KaryoscopeError

PairingOrder = Literal["assignment_first", "radius_first"]
ORDERS = {
    "assignment_first": "one assignment of least total distance, then the radius",
    "radius_first": "within the radius: most pairs, then least total distance",
}


def pair_points(
    true: ArrayLike, pred: ArrayLike, radius: float, order: PairingOrder = "assignment_first"
) -> tuple[np.ndarray, np.ndarray]:
    """Pair true and predicted points one to one, none farther apart than a radius.

    Parameters
    ----------
    true, pred : array_like, shape (n, 2), (m, 2)
        x, y of each point, in the unit of ``radius``.
    radius : float
        Largest distance of a pair; equal to it still counts.
    order : {"assignment_first", "radius_first"}
        ``"assignment_first"``: the assignment of least total distance over *all* points, from
        which pairs beyond the radius are dropped, as HoVer-Net's code does; an outlier can cost
        its neighbours their partners. ``"radius_first"``: only pairs within the radius are
        considered; as many as possible, and among these the least total distance.

    Returns
    -------
    rows_true, rows_pred : ndarray of int64
        Pair ``i`` is ``true[rows_true[i]]`` and ``pred[rows_pred[i]]``; ``rows_true`` ascends.

    Examples
    --------
    >>> true, pred = [[0, 0], [10, 0]], [[9, 0], [30, 0]]
    >>> [rows.tolist() for rows in pair_points(true, pred, 12)]
    [[0], [0]]
    >>> [rows.tolist() for rows in pair_points(true, pred, 12, "radius_first")]
    [[1], [0]]
    """
    true = np.asarray(true, np.float64).reshape(-1, 2)
    pred = np.asarray(pred, np.float64).reshape(-1, 2)
    if order not in ORDERS:
        raise KaryoscopeError(f"order must be one of {', '.join(ORDERS)}; got {order!r}")
    if not len(true) or not len(pred):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    if order == "radius_first":
        return _pair_within(true, pred, radius)
    distance = cdist(true, pred)
    rows, columns = linear_sum_assignment(distance)
    near = distance[rows, columns] <= radius
    return rows[near], columns[near]


def _pair_within(
    true: np.ndarray, pred: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """Assign within each group of points that are linked by distances up to the radius."""
    # The tree compares squared distances: ask for a little more, then cut by the distance itself.
    near = KDTree(true).sparse_distance_matrix(
        KDTree(pred), radius * (1 + 1e-9) + 1e-9, output_type="ndarray"
    )
    i, j = near["i"], near["j"]
    distance = np.sqrt(((true[i] - pred[j]) ** 2).sum(axis=1))
    keep = distance <= radius
    i, j, distance = i[keep], j[keep], distance[keep]
    nodes = len(true) + len(pred)
    links = coo_array((np.ones(len(i)), (i, len(true) + j)), shape=(nodes, nodes))
    _, group = connected_components(links, directed=False)
    order = np.argsort(group[i], kind="stable")
    cuts = np.flatnonzero(np.diff(group[i][order])) + 1
    pairs = []
    for members in np.split(order, cuts):
        near_true, a = np.unique(i[members], return_inverse=True)
        near_pred, b = np.unique(j[members], return_inverse=True)
        # Dearer than all pairs of the group together, so that no pair is given up for distance.
        cost = np.full((len(near_true), len(near_pred)), distance[members].sum() + 1.0)
        cost[a, b] = distance[members]
        allowed = np.zeros(cost.shape, bool)
        allowed[a, b] = True
        r, c = linear_sum_assignment(cost)
        taken = allowed[r, c]
        pairs.append(np.stack([near_true[r[taken]], near_pred[c[taken]]]))
    found = np.concatenate([np.zeros((2, 0), np.int64), *pairs], axis=1)
    rows, columns = found[:, np.argsort(found[0], kind="stable")]
    return rows, columns
