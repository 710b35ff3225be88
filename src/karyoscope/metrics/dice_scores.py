"""Dice coefficients: of the foreground (DICE) and of the overlapping pairs (ensemble, DICE2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from karyoscope.metrics.accumulate import ratio
from karyoscope.metrics.contingency_table import Contingency, table_of
from karyoscope.metrics.pair import Pair
from karyoscope.metrics.ratios import RatioAccumulator
from karyoscope.metrics.scores import Score


def dice_counts(table: Contingency) -> np.ndarray:
    """Numerators and denominators of DICE and DICE2.

    Returns
    -------
    ndarray of float64, shape (2, 2)
        Row 0: twice the pixels that are foreground in both maps; foreground pixels of one plus
        those of the other. Row 1: twice the intersections of all pairs of nuclei that overlap;
        the areas of both nuclei of each such pair, or of all nuclei where no pair overlaps.

    Examples
    --------
    >>> from karyoscope.metrics.contingency_table import contingency
    >>> dice_counts(contingency([[1, 1, 0]], [[0, 5, 5]]))
    array([[2., 4.],
           [2., 4.]])
    """
    shared = 2.0 * table.pair_area.sum()
    areas = float(table.true_areas.sum() + table.pred_areas.sum())
    paired = float((table.pair_union + table.pair_area).sum())
    return np.array([[shared, areas], [shared, paired or areas]])


def dice(
    true: ArrayLike | Contingency,
    pred: ArrayLike | None = None,
    *,
    ignore: ArrayLike | None = None,
) -> float:
    """DICE of the foregrounds, 2 TP / (2 TP + FP + FN) in pixels; NaN where both maps are empty.

    Parameters
    ----------
    true, pred : array_like of int, shape (h, w)
        Label maps; in place of both a :class:`Contingency`.
    ignore : array_like of bool, shape (h, w), optional
        Pixels that are not scored.

    Examples
    --------
    >>> dice([[1, 1, 0]], [[0, 5, 5]])
    0.5
    """
    return float(ratio(*dice_counts(table_of(true, pred, ignore))[0]))


def ensemble_dice(
    true: ArrayLike | Contingency,
    pred: ArrayLike | None = None,
    *,
    ignore: ArrayLike | None = None,
) -> float:
    """DICE2: 2 sum of intersections / sum of areas, over all pairs of nuclei that overlap.

    A nucleus that meets two others enters twice; one that meets none does not enter (Vu et al.,
    Frontiers in Bioengineering and Biotechnology 2019). NaN where both maps are empty, 0 where
    nothing overlaps.

    Parameters
    ----------
    true, pred : array_like of int, shape (h, w)
        Label maps; in place of both a :class:`Contingency`.
    ignore : array_like of bool, shape (h, w), optional
        Pixels that are not scored.
    """
    return float(ratio(*dice_counts(table_of(true, pred, ignore))[1]))


class DiceAccumulator(RatioAccumulator):
    """DICE and DICE2 of a set of images.

    Notes
    -----
    :meth:`compute` returns ``dice`` and ``dice2`` (means over images, those without any nucleus
    left out, as HoVer-Net has them) and ``dice_pooled``, ``dice2_pooled`` (from the sums).

    Examples
    --------
    >>> scores = DiceAccumulator()
    >>> scores.update([[1, 1, 0]], [[0, 5, 5]])
    >>> scores.compute()["dice"]
    0.5
    """

    set_scores = (
        Score("dice", "Dice", "images"),
        Score("dice2", "Dice2", "images"),
        Score("dice_pooled", "Dice, pooled"),
        Score("dice2_pooled", "Dice2, pooled"),
    )

    def count(self, pair: Pair) -> np.ndarray:
        """Numerators and denominators of DICE and DICE2, shape (2, 2)."""
        return dice_counts(pair.table)
