"""Nuclei paired one to one by IoU: pairs, misses and extras; AP and F1 over thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from karyoscope.core.errors import KaryoscopeError
from karyoscope.metrics._assignment import assign
from karyoscope.metrics.accumulate import Accumulator, Scores, Terms, mean_of, mean_terms, ratio
from karyoscope.metrics.contingency_table import Contingency, table_of
from karyoscope.metrics.pair import Pair
from karyoscope.metrics.scores import Score

#: Thresholds from 0.5 to 0.95 in steps of 0.05, as COCO has them.
THRESHOLDS = tuple(round(0.5 + 0.05 * k, 2) for k in range(10))


@dataclass(frozen=True)
class Matching:
    """Which nuclei of two label maps are the same.

    Attributes
    ----------
    threshold : float
        Least IoU of a pair.
    pairs : ndarray of int, shape (n, 2)
        Id of the true and of the predicted nucleus of each pair, in the order of the true ids.
    iou : ndarray of float64, shape (n,)
        IoU of each pair.
    misses, extras : ndarray of int
        Ids of the true nuclei, and of the predicted ones, that are in no pair.
    """

    threshold: float
    pairs: np.ndarray = field(repr=False)
    iou: np.ndarray = field(repr=False)
    misses: np.ndarray = field(repr=False)
    extras: np.ndarray = field(repr=False)

    @property
    def precision(self) -> float:
        """Share of the predicted nuclei that are in a pair; NaN where there are none."""
        return float(ratio(len(self.pairs), len(self.pairs) + len(self.extras)))

    @property
    def recall(self) -> float:
        """Share of the true nuclei that are in a pair; NaN where there are none."""
        return float(ratio(len(self.pairs), len(self.pairs) + len(self.misses)))

    @property
    def f1(self) -> float:
        """``2 tp / (2 tp + fp + fn)``; NaN where both maps are empty."""
        return float(_f1(*self._counts()))

    @property
    def ap(self) -> float:
        """``tp / (tp + fp + fn)``, which StarDist calls accuracy; NaN where both are empty."""
        return float(_ap(*self._counts()))

    @property
    def mean_iou(self) -> float:
        """Mean IoU of the pairs; NaN where there are none."""
        return float(ratio(self.iou.sum(), len(self.iou)))

    def _counts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return tuple(map(np.asarray, map(len, (self.pairs, self.extras, self.misses))))  # type: ignore[return-value]

    def __repr__(self) -> str:
        return (
            f"Matching(IoU >= {self.threshold:g}: {len(self.pairs)} pairs,"
            f" {len(self.misses)} misses, {len(self.extras)} extras; F1 {self.f1:.3f},"
            f" AP {self.ap:.3f}, mean IoU {self.mean_iou:.3f})"
        )


def match(
    true: ArrayLike | Contingency,
    pred: ArrayLike | None = None,
    iou: float = 0.5,
    *,
    ignore: ArrayLike | None = None,
) -> Matching:
    """Pair the nuclei of two label maps one to one.

    As many pairs as possible are made, and among these the highest sum of IoU is taken. A pair
    has *at least* the IoU that is requested, as in StarDist and Cellpose; panoptic quality asks
    for more than 0.5.

    Parameters
    ----------
    true, pred : array_like of int, shape (h, w)
        Label maps; in place of both a :class:`Contingency`.
    iou : float
        Least intersection over union of a pair, more than 0 and at most 1.
    ignore : array_like of bool, shape (h, w), optional
        Pixels that are not scored.

    Returns
    -------
    Matching

    Raises
    ------
    KaryoscopeError
        If the maps are not label maps or differ in size, or there can be no such IoU.

    Examples
    --------
    >>> found = match([[1, 1, 0, 2]], [[3, 3, 0, 0]])
    >>> found
    Matching(IoU >= 0.5: 1 pairs, 1 misses, 0 extras; F1 0.667, AP 0.500, mean IoU 1.000)
    >>> found.pairs.tolist(), found.misses.tolist(), found.extras.tolist()
    ([[1, 3]], [2], [])
    """
    table = table_of(true, pred, ignore)
    taken = _pairs_of(table, iou)
    rows, columns = table.pair_true[taken], table.pair_pred[taken]
    return Matching(
        iou,
        np.column_stack([table.true_ids[rows], table.pred_ids[columns]]),
        table.pair_iou[taken],
        np.delete(table.true_ids, rows),
        np.delete(table.pred_ids, columns),
    )


def average_precision(
    true: ArrayLike | Contingency,
    pred: ArrayLike | None = None,
    iou: float | Sequence[float] = THRESHOLDS,
    *,
    ignore: ArrayLike | None = None,
) -> np.ndarray:
    """AP of one image at thresholds of IoU: ``tp / (tp + fp + fn)``.

    What StarDist (Schmidt et al., MICCAI 2018) and Cellpose (Stringer et al., Nature Methods
    2021) report. Scores of a set are those of a :class:`MatchingAccumulator`.

    Parameters
    ----------
    true, pred : array_like of int
        Label maps, as in :func:`match`.
    iou : float or sequence of float
        Least IoU of a pair; 0.5 to 0.95 in steps of 0.05 unless given.
    ignore : array_like of bool, optional
        Pixels that are left out, as in :func:`match`.

    Returns
    -------
    ndarray of float64, of the shape of ``iou``
        NaN where both maps are empty.

    Examples
    --------
    >>> average_precision([[1, 1, 1, 0]], [[2, 2, 0, 0]], [0.5, 0.75]).tolist()
    [1.0, 0.0]
    """
    return _ap(*_counts_at(table_of(true, pred, ignore), iou))


def f1_score(
    true: ArrayLike | Contingency,
    pred: ArrayLike | None = None,
    iou: float | Sequence[float] = 0.5,
    *,
    ignore: ArrayLike | None = None,
) -> np.ndarray:
    """F1 of one image at thresholds of IoU: ``2 tp / (2 tp + fp + fn)``.

    Parameters
    ----------
    true, pred : array_like of int
        Label maps, as in :func:`match`.
    iou : float or sequence of float
        Least IoU of a pair; 0.5 to 0.95 in steps of 0.05 unless given.
    ignore : array_like of bool, optional
        Pixels that are left out, as in :func:`match`.

    Returns
    -------
    ndarray of float64, of the shape of ``iou``
        NaN where both maps are empty.

    Examples
    --------
    >>> round(float(f1_score([[1, 1, 0, 2]], [[3, 3, 0, 0]])), 3)
    0.667
    """
    return _f1(*_counts_at(table_of(true, pred, ignore), iou))


class MatchingAccumulator(Accumulator):
    """AP and F1 of a set of images over thresholds of IoU.

    Notes
    -----
    :meth:`compute` returns ``ap`` (mean over the thresholds from 0.5 to 0.95), ``ap_50``,
    ``ap_75``, ``ap_90`` and ``f1_50``, ``f1_75``, ``f1_90`` from the counts of all images, as
    StarDist has them for a set, and ``ap_50_images`` and so on, the mean over images, as Cellpose
    has them. Images without any nucleus are left out of the latter.

    Examples
    --------
    >>> scores = MatchingAccumulator()
    >>> scores.update([[1, 1, 0, 2]], [[3, 3, 0, 0]])
    >>> scores.compute()["ap_50"], round(scores.compute()["f1_50"], 3)
    (0.5, 0.667)
    """

    conventions = {  # noqa: RUF012
        "pairing": "one to one, as many as possible, of at least the IoU",
        "ap": "tp / (tp + fp + fn)",
    }

    set_scores = (
        Score("ap", "AP", "thresholds"),
        *(Score(f"ap_{t}", f"AP{t}") for t in (50, 75, 90)),
        *(Score(f"f1_{t}", f"F1, IoU {t / 100:g}", short=f"F1.{t}") for t in (50, 75, 90)),
        *(Score(f"ap_{t}_images", f"AP{t}, image mean", "images") for t in (50, 75, 90)),
    )

    def count(self, pair: Pair) -> np.ndarray:
        """Count tp, fp and fn at each of :data:`THRESHOLDS`, shape (10, 3)."""
        return np.stack(_counts_at(pair.table, THRESHOLDS), axis=-1)

    def _row_shape(self) -> tuple[int, ...]:
        return (len(THRESHOLDS), 3)

    def terms(self, counts: np.ndarray) -> Terms:
        """Return counts as they are, and the image's own AP."""
        return {"counts": counts} | mean_terms("ap", _ap(*np.moveaxis(counts, -1, 0)))

    def score(self, sums: Terms) -> Scores:
        """Ratios of the counts, and means over images."""
        counts = np.moveaxis(sums["counts"], -1, 0)
        ap, f1, by_image = _ap(*counts), _f1(*counts), mean_of(sums, "ap")
        found = {"ap": ap.mean(axis=-1)}
        for name, values in (("ap_{}", ap), ("f1_{}", f1), ("ap_{}_images", by_image)):
            for t in (50, 75, 90):
                found[name.format(t)] = values[..., THRESHOLDS.index(t / 100)]
        return Scores(found)


def _counts_at(
    table: Contingency, iou: float | Sequence[float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """tp, fp and fn at each threshold."""
    asked = np.asarray(iou, np.float64)
    tp = np.array([len(_pairs_of(table, t)) for t in asked.ravel().tolist()], np.float64)
    tp = tp.reshape(asked.shape)
    return tp, len(table.pred_ids) - tp, len(table.true_ids) - tp


def _pairs_of(table: Contingency, iou: float) -> np.ndarray:
    """Places among the pairs of a table of those that are taken."""
    if not 0 < iou <= 1:
        raise KaryoscopeError(f"IoU of a pair is more than 0 and at most 1; got {iou}")
    near = np.flatnonzero(table.pair_iou >= iou)
    if iou > 0.5:
        # No nucleus is in two such pairs.
        return near
    # One pair more counts for more than the IoU of all pairs together.
    cost = 1.0 - table.pair_iou[near] / (2.0 * max(len(near), 1))
    taken = assign(table.pair_true[near], table.pair_pred[near], cost, unpaired=2.0)
    found: np.ndarray = near[taken]
    return found


def _ap(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> np.ndarray:
    return ratio(tp, tp + fp + fn)


def _f1(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> np.ndarray:
    return ratio(2 * tp, 2 * tp + fp + fn)
