"""Aggregated Jaccard index: AJI and AJI+."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from karyoscope.metrics._assignment import assign
from karyoscope.metrics.accumulate import ratio
from karyoscope.metrics.contingency_table import Contingency, table_of
from karyoscope.metrics.kernels import best_pairs
from karyoscope.metrics.pair import Pair
from karyoscope.metrics.ratios import RatioAccumulator
from karyoscope.metrics.scores import Score

# Part of the published rule: it decides which of two nearly equal matches is the best one.
_EPSILON = 1e-6


def aji_counts(table: Contingency) -> np.ndarray:
    """Numerator and denominator of AJI, in pixels.

    Each true nucleus takes the predicted one of highest IoU (the smaller id on ties), which may
    be taken again; the pairs' intersections and unions are summed, and nuclei in no pair add
    their area to the union (Kumar et al., IEEE TMI 2017).

    Returns
    -------
    ndarray of float64, shape (2,)
        Intersection and union.

    Examples
    --------
    >>> from karyoscope.metrics.contingency_table import contingency
    >>> aji_counts(contingency([[1, 1, 2, 2]], [[7, 7, 7, 7]]))  # taken twice
    array([4., 8.])
    """
    iou = table.pair_area / (table.pair_union + _EPSILON)
    # Pairs are in order of ids: among equal IoU the smaller predicted id comes first.
    best = best_pairs(table.pair_true, iou, len(table.true_ids))
    return _sum_pairs(table, best[best >= 0])


def aji_plus_counts(table: Contingency) -> np.ndarray:
    """Numerator and denominator of AJI+: as AJI, but no predicted nucleus is matched twice.

    Pairs are those of the one-to-one assignment of highest total IoU.

    Returns
    -------
    ndarray of float64, shape (2,)
        Intersection and union.

    Examples
    --------
    >>> from karyoscope.metrics.contingency_table import contingency
    >>> aji_plus_counts(contingency([[1, 1, 2, 2]], [[7, 7, 7, 7]]))
    array([2., 6.])
    """
    return _sum_pairs(table, assign_by_iou(table))


def assign_by_iou(table: Contingency) -> np.ndarray:
    """Pair nuclei one to one so that the sum of IoU is highest.

    Returns
    -------
    ndarray of int64
        Rows of the table that are paired, ascending.
    """
    iou = table.pair_area / (table.pair_union + _EPSILON)
    return assign(table.pair_true, table.pair_pred, 2.0 - iou, unpaired=2.0)


def _sum_pairs(table: Contingency, pairs: np.ndarray) -> np.ndarray:
    """Intersection and union of pairs; nuclei in none of them join the union."""
    lone_true = np.ones(len(table.true_ids), bool)
    lone_pred = np.ones(len(table.pred_ids), bool)
    lone_true[table.pair_true[pairs]] = False
    lone_pred[table.pair_pred[pairs]] = False
    union = table.pair_union[pairs].sum()
    union += table.true_areas[lone_true].sum() + table.pred_areas[lone_pred].sum()
    return np.array([table.pair_area[pairs].sum(), union], np.float64)


def aji(
    true: ArrayLike | Contingency,
    pred: ArrayLike | None = None,
    *,
    ignore: ArrayLike | None = None,
) -> float:
    """AJI of one image: NaN where both maps are empty, 0 where one is.

    Parameters
    ----------
    true, pred : array_like of int, shape (h, w)
        Label maps; in place of both a :class:`Contingency`.
    ignore : array_like of bool, shape (h, w), optional
        Pixels that are not scored.

    Examples
    --------
    >>> aji([[1, 1, 2, 2]], [[7, 7, 7, 7]])
    0.5
    """
    return float(ratio(*aji_counts(table_of(true, pred, ignore))))


def aji_plus(
    true: ArrayLike | Contingency,
    pred: ArrayLike | None = None,
    *,
    ignore: ArrayLike | None = None,
) -> float:
    """AJI+ of one image: NaN where both maps are empty, 0 where one is.

    Parameters
    ----------
    true, pred : array_like of int, shape (h, w)
        Label maps; in place of both a :class:`Contingency`.
    ignore : array_like of bool, shape (h, w), optional
        Pixels that are not scored.
    """
    return float(ratio(*aji_plus_counts(table_of(true, pred, ignore))))


class JaccardAccumulator(RatioAccumulator):
    """AJI and AJI+ of a set of images.

    Notes
    -----
    :meth:`compute` returns ``aji`` and ``aji_plus`` (means over images, those without any nucleus
    left out, as HoVer-Net has them), ``aji_pooled`` and ``aji_plus_pooled`` (from the sums).

    Examples
    --------
    >>> scores = JaccardAccumulator()
    >>> scores.update([[1, 1, 2, 2]], [[7, 7, 7, 7]])
    >>> scores.compute()["aji"], round(scores.compute()["aji_plus"], 3)
    (0.5, 0.333)
    """

    set_scores = (
        Score("aji", "AJI", "images"),
        Score("aji_plus", "AJI+", "images"),
        Score("aji_pooled", "AJI, pooled"),
        Score("aji_plus_pooled", "AJI+, pooled"),
    )

    def count(self, pair: Pair) -> np.ndarray:
        """Numerators and denominators of AJI and AJI+, shape (2, 2)."""
        return np.stack([aji_counts(pair.table), aji_plus_counts(pair.table)])
