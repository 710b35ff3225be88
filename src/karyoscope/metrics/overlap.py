"""F1 of detection by overlap: the rule of "more than 50 % of the area of the true nucleus"."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from karyoscope.errors import KaryoscopeError
from karyoscope.metrics.accumulate import Accumulator, Scores, Terms, mean_of, mean_terms, ratio
from karyoscope.metrics.contingency import Contingency, contingency, label_maps
from karyoscope.metrics.labels import class_of_ids, given_classes, parts_by_class
from karyoscope.taxonomy import Taxonomy

OverlapRule = Literal["literal", "one_to_one", "one_to_one_at_least_half"]
RULES: tuple[OverlapRule, ...] = ("literal", "one_to_one", "one_to_one_at_least_half")


def best_overlap(table: Contingency, of: Literal["true", "pred"]) -> np.ndarray:
    """For each nucleus, the pair with the nucleus of the other map that it overlaps most.

    Parameters
    ----------
    table : Contingency
        Of the two maps.
    of : {"true", "pred"}
        Whose nuclei look for a partner.

    Returns
    -------
    ndarray of int64, shape (n,)
        Place among the pairs of the table, -1 without overlap; the smallest id on ties.
    """
    rows, size = (
        (table.pair_true, len(table.true_ids))
        if of == "true"
        else (table.pair_pred, len(table.pred_ids))
    )
    best = np.full(size, -1, np.int64)
    # Stable, and pairs are in order of both ids: the smallest id comes first among equals.
    order = np.lexsort((-table.pair_area, rows))
    present, first = np.unique(rows[order], return_index=True)
    best[present] = order[first]
    return best


def hits_by_overlap(table: Contingency, rule: OverlapRule) -> np.ndarray:
    """Pairs of the table that make a predicted nucleus a true positive.

    Parameters
    ----------
    table : Contingency
        Of the two maps.
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
    return best[covers[best]]


def overlap_counts(table: Contingency, rule: OverlapRule) -> np.ndarray:
    """Count detections by overlap (Qu et al., ISBI 2019).

    Returns
    -------
    ndarray of float64, shape (3,)
        tp, fp, fn. Under ``"literal"`` one prediction over two true nuclei leaves none missed;
        else fn is the number of true nuclei less tp.

    Examples
    --------
    >>> one_over_two = contingency([[1, 1, 2, 2]], [[7, 7, 7, 7]])
    >>> overlap_counts(one_over_two, "literal"), overlap_counts(one_over_two, "one_to_one")
    (array([1., 0., 0.]), array([1., 0., 1.]))
    """
    hits = hits_by_overlap(table, rule)
    tp = len(np.unique(table.pair_pred[hits]))
    found = len(np.unique(table.pair_true[hits])) if rule == "literal" else tp
    return np.array([tp, len(table.pred_ids) - tp, len(table.true_ids) - found], np.float64)


def f1_score(counts: np.ndarray) -> np.ndarray:
    """F1 = 2 tp / (2 tp + fp + fn) from (..., 3); NaN without any nucleus."""
    tp, fp, fn = np.moveaxis(counts, -1, 0)
    return ratio(2 * tp, 2 * tp + fp + fn)


class OverlapAccumulator(Accumulator):
    """F1 by the 50 % rule, and the accuracy of classes among its true positives.

    Parameters
    ----------
    taxonomy : Taxonomy, optional
        Classes; without it there is no accuracy.
    rule : {"one_to_one", "one_to_one_at_least_half", "literal"}
        Which pairs are the true positives that the accuracy is of; F1 is given for all rules.

    Notes
    -----
    :meth:`compute` returns ``f1_<rule>`` (mean over images), ``f1_<rule>_pooled``, ``acc`` (share
    of true positives with the right class; pairs with a true nucleus of unlabelled class left
    out) and for each class ``acc``, over the true positives whose *true* class it is.

    Examples
    --------
    >>> scores = OverlapAccumulator()
    >>> scores.update([[1, 1, 2, 2]], [[7, 7, 7, 7]])
    >>> scores.compute()["f1_literal"], round(scores.compute()["f1_one_to_one"], 3)
    (1.0, 0.667)
    """

    def __init__(
        self, taxonomy: Taxonomy | None = None, *, rule: OverlapRule = "one_to_one_at_least_half"
    ) -> None:
        super().__init__(taxonomy)
        if rule not in RULES:
            raise KaryoscopeError(f"rule must be one of {', '.join(RULES)}; got {rule!r}")
        self.rule: OverlapRule = rule
        self.conventions = {
            "f1": "2 tp / (2 tp + fp + fn), mean over images with a nucleus in either map",
            "acc": f"pairs by the rule {rule}; unlabelled true nuclei left out",
        }

    def update(
        self,
        true: ArrayLike,
        pred: ArrayLike,
        true_classes: ArrayLike | None = None,
        pred_classes: ArrayLike | None = None,
        *,
        name: str = "",
        source: str = "",
        cohort: str = "",
        ignore: ArrayLike | None = None,
        table: Contingency | None = None,
    ) -> None:
        """Add one image; parameters as of :meth:`PanopticAccumulator.update`.

        A nucleus whose pixels carry several classes has that of most of them.
        """
        true_map, pred_map = label_maps(true, pred, ignore)
        table = table or contingency(true_map, pred_map)
        row = np.zeros(self._row_shape())
        row[:3] = [overlap_counts(table, rule) for rule in RULES]
        if self.taxonomy:
            true_classes, pred_classes = given_classes(true_classes, pred_classes)
            _, of_true = parts_by_class(true_map, true_classes, "majority")
            _, of_pred = parts_by_class(pred_map, pred_classes, "majority")
            hits = hits_by_overlap(table, self.rule)
            truth = class_of_ids(of_true, table.true_ids)[table.pair_true[hits]]
            guess = class_of_ids(of_pred, table.pred_ids)[table.pair_pred[hits]]
            for k, class_id in enumerate(self.taxonomy.ids):
                is_class = truth == class_id
                row[3 + k, :2] = (is_class & (guess == class_id)).sum(), is_class.sum()
        self._add(row, name, source, cohort)

    def _row_shape(self) -> tuple[int, ...]:
        return (3 + len(self.class_names), 3)

    def terms(self, counts: np.ndarray) -> Terms:
        """Return counts as they are, and the F1 of each image."""
        return {"counts": counts} | mean_terms("f1", f1_score(counts[:, :3]))

    def score(self, sums: Terms) -> Scores:
        """F1 by every rule, mean and pooled, and accuracies."""
        counts = sums["counts"]
        mean, pooled = mean_of(sums, "f1"), f1_score(counts[..., :3, :])
        overall = {f"f1_{rule}": mean[..., i] for i, rule in enumerate(RULES)}
        overall |= {f"f1_{rule}_pooled": pooled[..., i] for i, rule in enumerate(RULES)}
        if not self.taxonomy:
            return Scores(overall)
        right, pairs = counts[..., 3:, 0], counts[..., 3:, 1]
        overall["acc"] = ratio(right.sum(axis=-1), pairs.sum(axis=-1))
        return Scores(overall, {"acc": ratio(right, pairs)})
