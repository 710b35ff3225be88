"""Detection and classification by distance of centroids: F_d and F_c (HoVer-Net)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.metrics.accumulate import Scores, Terms, mean_over, ratio
from karyoscope.metrics.confusion import (
    UNLABELLED,
    ConfusionAccumulator,
    Unlabelled,
    confusion_counts,
    judged_pairs,
    right_classes,
)
from karyoscope.metrics.pair import Pair
from karyoscope.metrics.pairing import ORDERS, PairingOrder, pair_points
from karyoscope.metrics.scores import Score, count_score

Weights = tuple[float, float, float, float]
PUBLISHED_WEIGHTS: Weights = (2.0, 2.0, 1.0, 1.0)


def detection_scores(
    matrix: np.ndarray,
    weights: Weights = PUBLISHED_WEIGHTS,
    unlabelled: Unlabelled = "ignore",
) -> Scores:
    """F_d, accuracy and F_c from confusion matrices (HoVer-Net, equations 8 and 9).

    Parameters
    ----------
    matrix : ndarray, shape (..., k + 2, k + 2)
        See :func:`karyoscope.metrics.confusion.confusion_counts`.
    weights : tuple of four floats
        Weights alpha 0 to 3 of FP_c and FN_c (pairs of the wrong class), and of FP_d and FN_d
        (unmatched nuclei).
    unlabelled : {"ignore", "count"}
        ``"ignore"``: a found true nucleus of no class of the taxonomy is left out of accuracy
        and F_c (data sets whose truth is not labelled throughout, such as CRCHistoPhenotypes).
        ``"count"``: it is one more class.

    Returns
    -------
    Scores
        ``f_d = 2 TP_d / (2 TP_d + FP_d + FN_d)``; ``acc``, right classes among pairs;
        ``f_c_all = 2 A / (2 (A + B) + FP_d + FN_d)`` (eq. 9: F_d x acc where all is labelled);
        per class ``f_c = 2 TP_c / (2 TP_c + a0 FP_c + a1 FN_c + a2 FP_d + a3 FN_d)``, with FP_d
        and FN_d of that class, and ``f_c`` over all, the mean of the classes that occur.

    Examples
    --------
    >>> matrix = np.array([[1.0, 1, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]])
    >>> scores = detection_scores(matrix)
    >>> scores.overall["f_d"], scores.classes["f_c"]
    (array(0.75), array([0.4, 0.4]))
    """
    k = matrix.shape[-1] - 2
    paired = matrix[..., :-1, :-1]
    judged = judged_pairs(matrix, unlabelled)
    fp_d, fn_d = matrix[..., -1, :-1], matrix[..., :-1, -1]
    tp_d, invented, missed = paired.sum(axis=(-1, -2)), fp_d.sum(axis=-1), fn_d.sum(axis=-1)
    overall = {
        "f_d": ratio(2 * tp_d, 2 * tp_d + invented + missed),
        "tp_d": tp_d,
        "fp_d": invented,
        "fn_d": missed,
    }
    if not k:
        return Scores(overall)
    right, pairs = right_classes(judged), judged.sum(axis=(-1, -2))
    tp_c = np.diagonal(paired, axis1=-2, axis2=-1)[..., :k]
    fp_c = judged.sum(axis=-2)[..., :k] - tp_c
    fn_c = paired.sum(axis=-1)[..., :k] - tp_c
    a0, a1, a2, a3 = weights
    errors = a0 * fp_c + a1 * fn_c + a2 * fp_d[..., :k] + a3 * fn_d[..., :k]
    f_c = ratio(2 * tp_c, 2 * tp_c + errors)
    overall |= {
        "acc": ratio(right, pairs),
        "f_c": mean_over(f_c),
        "f_c_all": ratio(2 * right, 2 * pairs + invented + missed),
    }
    classes = {"f_c": f_c, "tp_c": tp_c, "fp_c": fp_c, "fn_c": fn_c}
    return Scores(overall, classes | {"fp_d": fp_d[..., :k], "fn_d": fn_d[..., :k]})


class DetectionAccumulator(ConfusionAccumulator):
    """F_d, F_c, accuracy and confusion matrix of a set of images, pooled over the images.

    Parameters
    ----------
    taxonomy : Taxonomy, optional
        Classes; without it only F_d is scored.
    mpp : float
        Micrometres per pixel of the images.
    radius_um : float
        Largest distance of a pair, in micrometres: 3 µm is the published 12 px at 40x and 6 px
        at 20x.
    order : {"assignment_first", "radius_first"}
        See :func:`karyoscope.metrics.pairing.pair_points`.
    unlabelled : {"ignore", "count"}
        See :func:`detection_scores`.
    weights : tuple of four floats
        See :func:`detection_scores`.

    Examples
    --------
    >>> scores = DetectionAccumulator(Taxonomy.load("lizard"), mpp=0.25)
    >>> scores.update_points([[5, 5], [90, 90]], [1, 2], [[6, 5]], [1])
    >>> round(scores.compute()["f_d"], 3), scores.compute()["classes"]["neutrophil"]["f_c"]
    (0.667, 1.0)
    """

    takes_points = True

    set_scores = (
        Score("f_d", "F_d", definition="paired without regard to class"),
        *(count_score(name) for name in ("tp_d", "fp_d", "fn_d")),
        Score("acc", "accuracy of class"),
        Score("f_c", "F_c", "classes that occur"),
        Score("f_c_all", "F_c, all classes"),
    )
    class_scores = (
        Score("f_c", "F_c"),
        *(count_score(name) for name in ("tp_c", "fp_c", "fn_c", "fp_d", "fn_d")),
    )

    def __init__(
        self,
        taxonomy: Taxonomy | None = None,
        *,
        mpp: float,
        radius_um: float = 3.0,
        order: PairingOrder = "assignment_first",
        unlabelled: Unlabelled = "ignore",
        weights: Weights = PUBLISHED_WEIGHTS,
    ) -> None:
        super().__init__(taxonomy, unlabelled=unlabelled)
        pair_points([], [], radius_um, order)
        if not mpp > 0:
            raise KaryoscopeError(f"mpp must be positive micrometres per pixel; got {mpp}")
        self.radius = radius_um / mpp
        self.order: PairingOrder = order
        self.weights = weights
        self.conventions = {
            "pairing": f"centroids within {radius_um:g} µm ({self.radius:g} px at {mpp:g} µm/px)",
            "order": f"{order}: {ORDERS[order]}",
            "unlabelled": f"{unlabelled}: {UNLABELLED[unlabelled]}",
            "weights": "alpha " + ", ".join(f"{w:g}" for w in weights),
        }

    def count(self, pair: Pair) -> np.ndarray:
        """Confusion matrix of nuclei paired by their centroids, shape (k + 2, k + 2).

        A nucleus whose pixels carry several classes has that of most of them.
        """
        true, of_true = pair.centroids("true")
        pred, of_pred = pair.centroids("pred")
        if of_true is None or of_pred is None:
            if self.taxonomy:
                raise KaryoscopeError(f"{pair.name or 'an image'} came without classes to score")
            of_true, of_pred = np.zeros(len(true), np.int64), np.zeros(len(pred), np.int64)
        return self.count_points(true, of_true, pred, of_pred)

    def count_points(
        self, true: ArrayLike, true_classes: ArrayLike, pred: ArrayLike, pred_classes: ArrayLike
    ) -> np.ndarray:
        """Confusion matrix of points: (n, 2) and (m, 2) in pixels, classes (n,) and (m,)."""
        pairs = pair_points(true, pred, self.radius, self.order)
        classes = np.ravel(true_classes), np.ravel(pred_classes)
        return confusion_counts(*classes, pairs, self.class_ids)

    def update_points(
        self,
        true: ArrayLike,
        true_classes: ArrayLike,
        pred: ArrayLike,
        pred_classes: ArrayLike,
        *,
        name: str = "",
        source: str = "",
        cohort: str = "",
    ) -> None:
        """Add one image by its points.

        Parameters
        ----------
        true, pred : array_like, shape (n, 2), (m, 2)
            x, y in pixels.
        true_classes, pred_classes : array_like of int, shape (n,), (m,)
            Class of each point; a class that is not of the taxonomy (0, -1) is "unlabelled".
        name, source, cohort : str
            Name, source and cohort of the image.
        """
        row = self.count_points(true, true_classes, pred, pred_classes)
        self._append(row, name, source, cohort)

    def score(self, sums: Terms) -> Scores:
        """Scores of the summed confusion matrix."""
        return detection_scores(sums["matrix"], self.weights, self.unlabelled)
