"""Pairing of true and predicted points by distance."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from karyoscope.core.errors import KaryoscopeError
from karyoscope.metrics._assignment import assign

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
        its neighbours their matches. ``"radius_first"``: only pairs within the radius are
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
    # Late, here and below: reports of slides load this module, and need no SciPy.
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    distance = cdist(true, pred)
    rows, columns = linear_sum_assignment(distance)
    near = distance[rows, columns] <= radius
    return rows[near], columns[near]


def _pair_within(
    true: np.ndarray, pred: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """Make the most pairs up to the radius, and of these the least total distance."""
    from scipy.spatial import KDTree

    # The tree compares squared distances: ask for a little more, then cut by the distance itself.
    near = KDTree(true).sparse_distance_matrix(
        KDTree(pred), radius * (1 + 1e-9) + 1e-9, output_type="ndarray"
    )
    order = np.lexsort((near["j"], near["i"]))
    rows, columns = near["i"][order], near["j"][order]
    distance = np.sqrt(((true[rows] - pred[columns]) ** 2).sum(axis=1))
    keep = distance <= radius
    rows, columns, distance = rows[keep], columns[keep], distance[keep]
    # A cost of 0 would be no edge at all to the solver: every edge costs 1 more than its length,
    # and a row without one costs more than all edges together.
    taken = assign(rows, columns, 1.0 + distance, unpaired=1.0 + (1.0 + distance).sum())
    return rows[taken], columns[taken]
