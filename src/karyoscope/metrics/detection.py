"""Detection and classification by distance of centroids: F_d, F_c, accuracy, confusion matrix."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from karyoscope.errors import KaryoscopeError
from karyoscope.metrics.accumulate import Accumulator, Scores, Terms, mean_over, ratio
from karyoscope.metrics.labels import as_label_map, centroids, class_of_ids, parts_by_class
from karyoscope.metrics.pairing import ORDERS, PairingOrder, pair_points
from karyoscope.taxonomy import Taxonomy

Unlabelled = Literal["ignore", "count"]
_UNLABELLED = {
    "ignore": "a true nucleus of class 0 is no error of class when it is found",
    "count": "class 0 of the truth is a class like another",
}


def confusion_counts(
    true_classes: np.ndarray,
    pred_classes: np.ndarray,
    pairs: tuple[np.ndarray, np.ndarray],
    class_ids: tuple[int, ...],
) -> np.ndarray:
    """Confusion matrix of nuclei that includes what was missed and invented.

    Parameters
    ----------
    true_classes, pred_classes : ndarray of int, shape (n,), (m,)
        Class of each nucleus.
    pairs : tuple of two ndarrays of int
        Rows of the true and the predicted nucleus of each pair.
    class_ids : tuple of int, length k
        Classes, in the order of rows and columns.

    Returns
    -------
    ndarray of float64, shape (k + 2, k + 2)
        Rows true, columns predicted: the classes, then any other class or none, then "no
        partner" (last row: predicted nuclei without one; last column: missed true nuclei).

    Examples
    --------
    >>> confusion_counts(np.array([1, 2]), np.array([2]), (np.array([0]), np.array([0])), (1, 2))
    array([[0., 1., 0., 0.],
           [0., 0., 0., 1.],
           [0., 0., 0., 0.],
           [0., 0., 0., 0.]])
    """
    k = len(class_ids)
    true_classes, pred_classes = np.asarray(true_classes), np.asarray(pred_classes)
    largest = max(max(class_ids), true_classes.max(initial=0), pred_classes.max(initial=0))
    place = np.full(int(largest) + 1, k)
    place[list(class_ids)] = np.arange(k)
    truth, guess = place[true_classes], place[pred_classes]
    matrix = np.zeros((k + 2, k + 2))
    np.add.at(matrix, (truth[pairs[0]], guess[pairs[1]]), 1)
    matrix[:-1, -1] = np.bincount(np.delete(truth, pairs[0]), minlength=k + 1)
    matrix[-1, :-1] = np.bincount(np.delete(guess, pairs[1]), minlength=k + 1)
    return matrix


def detection_scores(
    matrix: np.ndarray,
    weights: tuple[float, float, float, float] = (2.0, 2.0, 1.0, 1.0),
    unlabelled: Unlabelled = "ignore",
) -> Scores:
    """F_d, accuracy and F_c from confusion matrices (HoVer-Net, equations 8 and 9).

    Parameters
    ----------
    matrix : ndarray, shape (..., k + 2, k + 2)
        See :func:`confusion_counts`.
    weights : tuple of four floats
        alpha 0 to 3: of FP_c, FN_c (wrong class), FP_d, FN_d (no partner).
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
    """
    if unlabelled not in _UNLABELLED:
        raise KaryoscopeError(f"unlabelled must be one of {', '.join(_UNLABELLED)}")
    k = matrix.shape[-1] - 2
    paired = matrix[..., :-1, :-1]
    tp_d = paired.sum(axis=(-1, -2))
    fp_d, fn_d = matrix[..., -1, :-1], matrix[..., :-1, -1]
    missed, invented = fn_d.sum(axis=-1), fp_d.sum(axis=-1)
    judged = paired[..., :k, :] if unlabelled == "ignore" else paired
    right = np.trace(judged[..., : judged.shape[-2]], axis1=-2, axis2=-1)
    pairs = judged.sum(axis=(-1, -2))
    tp_c = np.diagonal(paired, axis1=-2, axis2=-1)[..., :k]
    fp_c = judged.sum(axis=-2)[..., :k] - tp_c
    fn_c = paired.sum(axis=-1)[..., :k] - tp_c
    a0, a1, a2, a3 = weights
    errors = a0 * fp_c + a1 * fn_c + a2 * fp_d[..., :k] + a3 * fn_d[..., :k]
    f_c = ratio(2 * tp_c, 2 * tp_c + errors)
    overall = {
        "f_d": ratio(2 * tp_d, 2 * tp_d + invented + missed),
        "acc": ratio(right, pairs),
        "f_c": mean_over(f_c),
        "f_c_all": ratio(2 * right, 2 * pairs + invented + missed),
        "tp_d": tp_d,
        "fp_d": invented,
        "fn_d": missed,
    }
    classes = {"f_c": f_c, "tp_c": tp_c, "fp_c": fp_c, "fn_c": fn_c}
    return Scores(overall, classes | {"fp_d": fp_d[..., :k], "fn_d": fn_d[..., :k]})


class DetectionAccumulator(Accumulator):
    """F_d, F_c, accuracy and confusion matrix of a set of images, pooled over the images.

    Parameters
    ----------
    taxonomy : Taxonomy
        Classes.
    mpp : float
        Micrometres per pixel of the images.
    radius_um : float
        Largest distance of a pair, in micrometres: 3 µm is the published 12 px at 40x and 6 px
        at 20x.
    order : {"assignment_first", "radius_first"}
        See :func:`pair_points`.
    unlabelled : {"ignore", "count"}
        See :func:`detection_scores`.
    weights : tuple of four floats
        See :func:`detection_scores`.

    Examples
    --------
    >>> from karyoscope.taxonomy import Taxonomy
    >>> scores = DetectionAccumulator(Taxonomy.load("lizard"), mpp=0.25)
    >>> scores.update_points([[5, 5], [90, 90]], [1, 2], [[6, 5]], [1])
    >>> round(scores.compute()["f_d"], 3), scores.compute()["classes"]["neutrophil"]["f_c"]
    (0.667, 1.0)
    """

    def __init__(
        self,
        taxonomy: Taxonomy,
        *,
        mpp: float,
        radius_um: float = 3.0,
        order: PairingOrder = "assignment_first",
        unlabelled: Unlabelled = "ignore",
        weights: tuple[float, float, float, float] = (2.0, 2.0, 1.0, 1.0),
    ) -> None:
        super().__init__(taxonomy)
        pair_points([], [], radius_um, order)
        if not mpp > 0:
            raise KaryoscopeError(f"mpp must be positive micrometres per pixel; got {mpp}")
        self.class_ids = taxonomy.ids
        self.radius = radius_um / mpp
        self.order: PairingOrder = order
        self.unlabelled: Unlabelled = unlabelled
        self.weights = weights
        detection_scores(np.zeros(self._row_shape()), weights, unlabelled)
        self.conventions = {
            "radius": f"{radius_um:g} µm ({self.radius:g} px at {mpp:g} µm/px)",
            "order": f"{order}: {ORDERS[order]}",
            "unlabelled": f"{unlabelled}: {_UNLABELLED[unlabelled]}",
            "weights": ", ".join(f"{w:g}" for w in weights),
        }

    def update(
        self,
        true: ArrayLike,
        pred: ArrayLike,
        true_classes: ArrayLike,
        pred_classes: ArrayLike,
        *,
        name: str = "",
        source: str = "",
        cohort: str = "",
    ) -> None:
        """Add one image by its label maps; parameters as of :meth:`PanopticAccumulator.update`.

        A nucleus whose pixels carry several classes has that of most of them.
        """
        true_points, of_true = points_of(true, true_classes)
        pred_points, of_pred = points_of(pred, pred_classes)
        self.update_points(
            true_points, of_true, pred_points, of_pred, name=name, source=source, cohort=cohort
        )

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
            Of the image.
        """
        pairs = pair_points(true, pred, self.radius, self.order)
        # Negative classes mean the same as 0 and would index from the end of a table.
        of_true = np.maximum(np.asarray(true_classes, np.int64).ravel(), 0)
        of_pred = np.maximum(np.asarray(pred_classes, np.int64).ravel(), 0)
        matrix = confusion_counts(of_true, of_pred, pairs, self.class_ids)
        self._add(matrix, name, source, cohort)

    def _row_shape(self) -> tuple[int, ...]:
        return (len(self.class_names) + 2,) * 2

    def terms(self, counts: np.ndarray) -> Terms:
        """Return the confusion matrices."""
        return {"matrix": counts}

    def score(self, sums: Terms) -> Scores:
        """Scores of the summed confusion matrix."""
        return detection_scores(sums["matrix"], self.weights, self.unlabelled)

    def compute(self) -> dict[str, Any]:
        """Scores as plain numbers, and ``confusion``: rows, columns and the matrix."""
        matrix = self.counts.sum(axis=0).astype(int)
        labels = [*self.class_names, "unlabelled"]
        confusion = {
            "true": [*labels, "no true nucleus"],
            "pred": [*labels, "missed"],
            "counts": matrix.tolist(),
        }
        return super().compute() | {"confusion": confusion}


def points_of(inst_map: ArrayLike, classes: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Centroids of the nuclei of a label map, (n, 2), and the class of each, (n,)."""
    parts, table = parts_by_class(as_label_map(inst_map), classes, "majority")
    ids, points = centroids(parts)
    return points, class_of_ids(table, ids)
