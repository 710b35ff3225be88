"""Confusion matrix of classes over paired nuclei, with what was missed and invented."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.metrics.accumulate import Accumulator, Scores, Terms, mean_over, ratio
from karyoscope.metrics.pair import Pair
from karyoscope.metrics.scores import Score

Unlabelled = Literal["ignore", "count"]
UNLABELLED = {
    "ignore": "a true nucleus of class 0 is no error of class when it is found",
    "count": "class 0 of the truth is a class like another",
}


def confusion_counts(
    true_classes: ArrayLike,
    pred_classes: ArrayLike,
    pairs: tuple[np.ndarray, np.ndarray],
    class_ids: tuple[int, ...],
) -> np.ndarray:
    """Confusion matrix of nuclei that includes false negatives and false positives.

    Parameters
    ----------
    true_classes, pred_classes : array_like of int, shape (n,), (m,)
        Class of each nucleus.
    pairs : tuple of two ndarrays of int
        Rows of the true and the predicted nucleus of each pair.
    class_ids : tuple of int, length k
        Classes, in the order of rows and columns.

    Returns
    -------
    ndarray of float64, shape (k + 2, k + 2)
        Rows true, columns predicted: the classes, then any other class or none, then "no
        match" (last row: predicted nuclei without one; last column: missed true nuclei).

    Examples
    --------
    >>> confusion_counts([1, 2], [2], (np.array([0]), np.array([0])), (1, 2))
    array([[0., 1., 0., 0.],
           [0., 0., 0., 1.],
           [0., 0., 0., 0.],
           [0., 0., 0., 0.]])
    """
    k = len(class_ids)
    # Classes below 0 mean the same as 0 and would index from the end of the table.
    true_ids = np.maximum(np.asarray(true_classes, np.int64), 0)
    pred_ids = np.maximum(np.asarray(pred_classes, np.int64), 0)
    largest = max(max(class_ids, default=0), true_ids.max(initial=0), pred_ids.max(initial=0))
    place = np.full(int(largest) + 1, k)
    place[list(class_ids)] = np.arange(k)
    truth, guess = place[true_ids], place[pred_ids]
    matrix = np.zeros((k + 2, k + 2))
    cells = truth[pairs[0]] * (k + 1) + guess[pairs[1]]
    matrix[:-1, :-1] = np.bincount(cells, minlength=(k + 1) ** 2).reshape(k + 1, k + 1)
    matrix[:-1, -1] = np.bincount(np.delete(truth, pairs[0]), minlength=k + 1)
    matrix[-1, :-1] = np.bincount(np.delete(guess, pairs[1]), minlength=k + 1)
    return matrix


def judged_pairs(matrix: np.ndarray, unlabelled: Unlabelled) -> np.ndarray:
    """Pairs whose class can be right or wrong: (..., r, k + 1), r rows of true classes.

    ``"ignore"`` leaves out true nuclei of no class of the taxonomy, ``"count"`` keeps them.
    """
    if unlabelled not in UNLABELLED:
        raise KaryoscopeError(f"unlabelled must be one of {', '.join(UNLABELLED)}")
    return matrix[..., : -2 if unlabelled == "ignore" else -1, :-1]


def right_classes(judged: np.ndarray) -> np.ndarray:
    """Count the pairs with the right class, shape (...)."""
    right: np.ndarray = np.trace(judged[..., : judged.shape[-2]], axis1=-2, axis2=-1)
    return right


class ConfusionAccumulator(Accumulator):
    """Accuracy of classes among true positives (IoU > 0.5) and confusion matrix, pooled.

    Parameters
    ----------
    taxonomy : Taxonomy, optional
        Classes; without it only found, missed and invented nuclei are counted.
    unlabelled : {"ignore", "count"}
        Whether true nuclei of no class of the taxonomy enter the accuracy.

    Notes
    -----
    :meth:`compute` returns ``acc`` (right classes among pairs), ``acc_balanced`` (mean of the
    classes' ``acc``), for each class ``acc`` (over pairs whose *true* class it is), and
    ``confusion``: names of rows and columns and the matrix.

    Examples
    --------
    >>> from karyoscope.core.taxonomy import Taxonomy
    >>> scores = ConfusionAccumulator(Taxonomy.load("lizard"))
    >>> scores.update([[1, 1, 0, 2]], [[3, 3, 0, 4]], [0, 2, 3], [0, 0, 0, 2, 1])
    >>> scores.compute()["acc"]
    0.5
    """

    set_scores: ClassVar[tuple[Score, ...]] = (
        Score("acc", "accuracy of class"),
        Score("acc_balanced", "accuracy of class, balanced", "classes"),
    )
    class_scores: ClassVar[tuple[Score, ...]] = (Score("acc", "accuracy of class", short="acc"),)

    def __init__(
        self, taxonomy: Taxonomy | None = None, *, unlabelled: Unlabelled = "ignore"
    ) -> None:
        super().__init__(taxonomy)
        judged_pairs(np.zeros((2, 2)), unlabelled)
        self.class_ids = taxonomy.ids if taxonomy else ()
        self.unlabelled: Unlabelled = unlabelled
        self.conventions = {
            "pairing": "IoU > 0.5",
            "unlabelled": f"{unlabelled}: {UNLABELLED[unlabelled]}",
        }

    def count(self, pair: Pair) -> np.ndarray:
        """Confusion matrix, shape (k + 2, k + 2).

        A nucleus whose pixels carry several classes has that of most of them.
        """
        if self.taxonomy:
            _, _, table, of_true, of_pred = pair.classed("majority")
        else:
            table = pair.table
            of_true, of_pred = np.zeros_like(table.true_ids), np.zeros_like(table.pred_ids)
        hit = table.pair_iou > 0.5
        pairs = table.pair_true[hit], table.pair_pred[hit]
        return confusion_counts(of_true, of_pred, pairs, self.class_ids)

    def _row_shape(self) -> tuple[int, ...]:
        return (len(self.class_ids) + 2,) * 2

    def terms(self, counts: np.ndarray) -> Terms:
        """Return the confusion matrices."""
        return {"matrix": counts}

    def score(self, sums: Terms) -> Scores:
        """Accuracies of the summed confusion matrix."""
        if not self.taxonomy:
            return Scores({})
        judged = judged_pairs(sums["matrix"], self.unlabelled)
        k = len(self.class_ids)
        of_class = judged[..., :k, :].sum(axis=-1)
        acc = ratio(np.diagonal(judged, axis1=-2, axis2=-1)[..., :k], of_class)
        overall = {
            "acc": ratio(right_classes(judged), judged.sum(axis=(-1, -2))),
            "acc_balanced": mean_over(acc),
        }
        return Scores(overall, {"acc": acc})

    def compute(self) -> dict[str, Any]:
        """Scores as plain numbers, and ``confusion``."""
        return super().compute() | {"confusion": self.confusion()}

    def confusion(self) -> dict[str, Any]:
        """Names of rows (``true``) and columns (``pred``) and the matrix (``counts``)."""
        labels = [*self.class_names, "unlabelled"]
        return {
            "true": [*labels, "no true nucleus"],
            "pred": [*labels, "missed"],
            "counts": self.counts.sum(axis=0).astype(int).tolist(),
        }
