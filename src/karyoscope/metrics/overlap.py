"""F1 of detection by overlap: the rule of "more than 50 % of the area of the true nucleus"."""

from __future__ import annotations

from typing import Literal, cast, overload

import numpy as np
from numpy.typing import ArrayLike

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.metrics.accumulate import Accumulator, Scores, Terms, mean_of, mean_terms, ratio
from karyoscope.metrics.contingency_table import Contingency, table_of
from karyoscope.metrics.kernels import best_pairs
from karyoscope.metrics.pair import Pair
from karyoscope.metrics.scores import Score

OverlapRule = Literal["literal", "one_to_one", "one_to_one_at_least_half"]
RULES: dict[OverlapRule, str] = {
    "literal": "any pair that shares more than half of the true nucleus",
    "one_to_one": "more than half of the true nucleus that a prediction overlaps most",
    "one_to_one_at_least_half": "half or more of the true nucleus that a prediction overlaps most",
}


def best_overlap(table: Contingency, of: Literal["true", "pred"]) -> np.ndarray:
    """For each nucleus, the pair with the nucleus of the other map that it overlaps most.

    Parameters
    ----------
    table : Contingency
        Areas and intersections of the two maps.
    of : {"true", "pred"}
        Map whose nuclei are matched.

    Returns
    -------
    ndarray of int64, shape (n,)
        Place among the pairs of the table, -1 without overlap; the smallest id on ties.
    """
    # Pairs are in order of both ids: among equal overlaps the smaller id comes first.
    scores = table.pair_area.astype(np.float64)
    if of == "true":
        return best_pairs(table.pair_true, scores, len(table.true_ids))
    return best_pairs(table.pair_pred, scores, len(table.pred_ids))


def hits_by_overlap(table: Contingency, rule: OverlapRule) -> np.ndarray:
    """Pairs of the table that make a predicted nucleus a true positive.

    Parameters
    ----------
    table : Contingency
        Areas and intersections of the two maps.
    rule : {"literal", "one_to_one", "one_to_one_at_least_half"}
        ``"literal"``: every pair that shares more than half of the true nucleus.
        ``"one_to_one"``: each predicted nucleus answers only for the true one it overlaps most.
        ``"one_to_one_at_least_half"``: the same with half or more, as published code has it.

    Returns
    -------
    ndarray of int64
        Places among the pairs.
    """
    if rule not in RULES:
        raise KaryoscopeError(f"rule must be one of {', '.join(RULES)}; got {rule!r}")
    twice, whole = 2 * table.pair_area, table.true_areas[table.pair_true]
    covers = twice >= whole if rule == "one_to_one_at_least_half" else twice > whole
    if rule == "literal":
        return np.flatnonzero(covers)
    best = best_overlap(table, "pred")
    best = best[best >= 0]
    hits: np.ndarray = best[covers[best]]
    return hits


@overload
def overlap_counts(true: Contingency, pred: OverlapRule, /) -> np.ndarray: ...


@overload
def overlap_counts(
    true: ArrayLike | Contingency,
    pred: ArrayLike | None = None,
    rule: OverlapRule = ...,
    *,
    ignore: ArrayLike | None = None,
) -> np.ndarray: ...


def overlap_counts(
    true: ArrayLike | Contingency,
    pred: ArrayLike | None = None,
    rule: OverlapRule = "one_to_one_at_least_half",
    *,
    ignore: ArrayLike | None = None,
) -> np.ndarray:
    """Count detections by overlap (Qu et al., ISBI 2019).

    Parameters
    ----------
    true, pred : array_like of int, shape (h, w)
        Label maps; in place of both a :class:`Contingency`, which the rule may follow directly.
    rule : {"one_to_one_at_least_half", "one_to_one", "literal"}
        See :func:`hits_by_overlap`.
    ignore : array_like of bool, shape (h, w), optional
        Pixels that are not scored.

    Returns
    -------
    ndarray of float64, shape (3,)
        tp, fp, fn. Under ``"literal"`` one prediction over two true nuclei leaves none missed;
        else fn is the number of true nuclei less tp.

    Examples
    --------
    >>> from karyoscope.metrics.contingency_table import contingency
    >>> overlap_counts([[1, 1, 2, 2]], [[7, 7, 7, 7]], "literal")
    array([1., 0., 0.])
    >>> one_over_two = contingency([[1, 1, 2, 2]], [[7, 7, 7, 7]])
    >>> overlap_counts(one_over_two, "literal"), overlap_counts(one_over_two, "one_to_one")
    (array([1., 0., 0.]), array([1., 0., 1.]))
    """
    if isinstance(true, Contingency) and isinstance(pred, str):
        pred, rule = None, cast(OverlapRule, pred)
    table = table_of(true, pred, ignore)
    hits = hits_by_overlap(table, rule)
    tp = len(np.unique(table.pair_pred[hits]))
    found = len(np.unique(table.pair_true[hits])) if rule == "literal" else tp
    return np.array([tp, len(table.pred_ids) - tp, len(table.true_ids) - found], np.float64)


def f1_of_counts(counts: np.ndarray) -> np.ndarray:
    """F1 = 2 tp / (2 tp + fp + fn) from (..., 3); NaN without any nucleus."""
    tp, fp, fn = np.moveaxis(counts, -1, 0)
    return ratio(2 * tp, 2 * tp + fp + fn)


class OverlapAccumulator(Accumulator):
    """F1 by the 50 % rule of all nuclei and per class, and the accuracy of classes among hits.

    Parameters
    ----------
    taxonomy : Taxonomy, optional
        Classes. A class is scored with the nuclei of that class alone in both maps.
    rule : {"one_to_one_at_least_half", "one_to_one", "literal"}
        See :func:`hits_by_overlap`. The accuracy is over the hits of this rule.

    Notes
    -----
    :meth:`compute` returns ``f1`` (mean over images with a nucleus in either map), ``f1_pooled``,
    ``acc`` (share of hits with the right class, true nuclei of unlabelled class left out) and for
    each class ``f1``, ``f1_pooled`` and ``acc`` (over the hits whose *true* class it is).

    Examples
    --------
    >>> scores = OverlapAccumulator(rule="one_to_one")
    >>> scores.update([[1, 1, 2, 2]], [[7, 7, 7, 7]])
    >>> round(scores.compute()["f1"], 3)
    0.667
    """

    set_scores = (
        Score("f1", "F1", "images"),
        Score("f1_pooled", "F1, pooled"),
        Score("acc", "accuracy of class"),
    )
    class_scores = (
        Score("f1", "F1", "images"),
        Score("f1_pooled", "F1, pooled"),
        Score("acc", "accuracy of class", short="acc"),
    )

    def __init__(
        self, taxonomy: Taxonomy | None = None, *, rule: OverlapRule = "one_to_one_at_least_half"
    ) -> None:
        super().__init__(taxonomy)
        if rule not in RULES:
            raise KaryoscopeError(f"rule must be one of {', '.join(RULES)}; got {rule!r}")
        self.rule: OverlapRule = rule
        self.conventions = {
            "rule": f"{rule}: {RULES[rule]}",
            "mean": "over images with a nucleus in either map",
            "unlabelled": "true nuclei of class 0 left out of acc",
        }

    def count(self, pair: Pair) -> np.ndarray:
        """Count tp, fp, fn, right classes and hits of all and of each class, shape (1 + k, 5).

        A nucleus whose pixels carry several classes has that of most of them.
        """
        row = np.zeros(self._row_shape())
        row[0, :3] = overlap_counts(pair.table, self.rule)
        if not self.taxonomy:
            return row
        _, _, table, truth, guess = pair.classed("majority")
        hits = hits_by_overlap(table, self.rule)
        of_hit, right = truth[table.pair_true[hits]], guess[table.pair_pred[hits]]
        for k, c in enumerate(self.taxonomy.ids, start=1):
            row[k, :3] = overlap_counts(table.select(truth == c, guess == c), self.rule)
            row[k, 3:] = ((of_hit == c) & (right == c)).sum(), (of_hit == c).sum()
        return row

    def _row_shape(self) -> tuple[int, ...]:
        return (1 + len(self.class_names), 5)

    def terms(self, counts: np.ndarray) -> Terms:
        """Return the counts, and the F1 of each image."""
        return {"counts": counts} | mean_terms("f1", f1_of_counts(counts[..., :3]))

    def score(self, sums: Terms) -> Scores:
        """F1, mean and pooled, and accuracies."""
        counts = sums["counts"]
        mean, pooled = mean_of(sums, "f1"), f1_of_counts(counts[..., :3])
        overall = {"f1": mean[..., 0], "f1_pooled": pooled[..., 0]}
        if not self.taxonomy:
            return Scores(overall)
        right, hits = counts[..., 1:, 3], counts[..., 1:, 4]
        overall["acc"] = ratio(right.sum(axis=-1), hits.sum(axis=-1))
        classes = {"f1": mean[..., 1:], "f1_pooled": pooled[..., 1:], "acc": ratio(right, hits)}
        return Scores(overall, classes)
