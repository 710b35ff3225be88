"""Panoptic quality: DQ, SQ, PQ; per image, pooled, per class (mPQ, mPQ+) and binary (bPQ).

In short::

    scores = PanopticAccumulator(taxonomy)                    # CoNIC conventions
    scores.update(true_map, pred_map, true_classes, pred_classes, name="a", source="slide 1")
    scores.compute()["pq"], scores.compute()["mpq_plus"]
    scores.compute()["classes"]["epithelial"]["pq"]

where ``true_classes`` is a table by id (``true_classes[true_map]`` is the class map) or a class
map. All figures come from (tp, fp, fn, sum of IoU) of each image and class, which add up.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.metrics.accumulate import (
    Accumulator,
    Scores,
    Terms,
    mean_of,
    mean_over,
    mean_terms,
    ratio,
)
from karyoscope.metrics.contingency_table import Contingency, table_of
from karyoscope.metrics.pair import MIXED, Mixed, Pair
from karyoscope.metrics.scores import Score, count_score

Epsilon = Literal["conic", "hover_net", "none"]
Absent = Literal["zero", "skip", "skip_empty"]
_EPSILON = {"conic": (1e-6, 1e-6), "hover_net": (0.0, 1e-6), "none": (0.0, 0.0)}
_ABSENT = {
    "zero": "counts as 0",
    "skip": "is left out where the truth has none",
    "skip_empty": "is left out where neither truth nor prediction has any",
}

_WITHOUT_CLASS = "paired without regard to class"


def panoptic_counts(
    true: ArrayLike | Contingency,
    pred: ArrayLike | None = None,
    *,
    ignore: ArrayLike | None = None,
) -> np.ndarray:
    """Count the pairs whose IoU is strictly above 0.5; only then is every pairing unique.

    Parameters
    ----------
    true, pred : array_like of int, shape (h, w)
        Label maps; in place of both a :class:`Contingency`.
    ignore : array_like of bool, shape (h, w), optional
        Pixels that are not scored.

    Returns
    -------
    ndarray of float64, shape (4,)
        tp, fp, fn and the sum of the IoU of the pairs (Kirillov et al., CVPR 2019).

    Examples
    --------
    >>> panoptic_counts([[1, 1, 1, 0]], [[2, 2, 0, 5]]).round(3)
    array([1.   , 1.   , 0.   , 0.667])
    """
    table = table_of(true, pred, ignore)
    paired = table.pair_iou[table.pair_iou > 0.5]
    tp = len(paired)
    return np.array([tp, len(table.pred_ids) - tp, len(table.true_ids) - tp, paired.sum()])


def panoptic_counts_by_class(
    table: Contingency, true_classes: np.ndarray, pred_classes: np.ndarray, class_ids: ArrayLike
) -> np.ndarray:
    """Count pairs within each class: both nuclei must have it.

    Parameters
    ----------
    table : Contingency
        Areas and intersections of nuclei of one class each; see
        :func:`karyoscope.metrics.labels.parts_by_class`.
    true_classes, pred_classes : ndarray of int, shape (n,), (m,)
        Class of each row of the table.
    class_ids : array_like of int, shape (k,)
        Classes to count; nuclei of others are left out.

    Returns
    -------
    ndarray of float64, shape (k, 4)
        tp, fp, fn, sum of IoU.
    """
    ids = np.asarray(class_ids)
    hit = table.pair_iou > 0.5
    hit &= true_classes[table.pair_true] == pred_classes[table.pair_pred]
    hit_class = true_classes[table.pair_true[hit]]
    size = int(max(ids.max(), true_classes.max(initial=0), pred_classes.max(initial=0))) + 1
    tp = np.bincount(hit_class, minlength=size)[ids]
    fp = np.bincount(pred_classes, minlength=size)[ids] - tp
    fn = np.bincount(true_classes, minlength=size)[ids] - tp
    sum_iou = np.bincount(hit_class, table.pair_iou[hit], minlength=size)[ids]
    return np.stack([tp, fp, fn, sum_iou], axis=-1)


def panoptic_ratios(
    counts: ArrayLike, epsilon: Epsilon = "none"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """DQ = tp / (tp + fp/2 + fn/2), SQ = sum of IoU / tp, PQ = DQ x SQ.

    Parameters
    ----------
    counts : array_like, shape (..., 4)
        tp, fp, fn, sum of IoU.
    epsilon : {"none", "conic", "hover_net"}
        What is added to the denominators: nothing; 1e-6 to both, as CoNIC's code does; 1e-6 to
        that of SQ alone, as HoVer-Net's does. Without pairs SQ is 0.

    Returns
    -------
    dq, sq, pq : ndarray, shape (...)
        NaN where there is neither a true nor a predicted nucleus (0 for ``"conic"``).

    Examples
    --------
    >>> [float(q) for q in panoptic_ratios([2, 1, 1, 1.5])]
    [0.6666666666666666, 0.75, 0.5]
    """
    if epsilon not in _EPSILON:
        raise KaryoscopeError(f"epsilon must be one of {', '.join(_EPSILON)}; got {epsilon!r}")
    in_dq, in_sq = _EPSILON[epsilon]
    tp, fp, fn, sum_iou = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    dq = ratio(tp, tp + 0.5 * fp + 0.5 * fn + in_dq)
    sq = ratio(sum_iou, np.where(tp > 0, tp + in_sq, 1.0))
    sq = np.where(np.isnan(dq), np.nan, sq)
    return dq, sq, dq * sq


class PanopticQuality(NamedTuple):
    """Detection quality, segmentation quality and their product."""

    dq: float
    sq: float
    pq: float


def panoptic_quality(
    true: ArrayLike | Contingency,
    pred: ArrayLike | None = None,
    *,
    ignore: ArrayLike | None = None,
    epsilon: Epsilon = "none",
) -> PanopticQuality:
    """Panoptic quality of one image (Kirillov et al., CVPR 2019), without regard to class.

    Parameters
    ----------
    true, pred : array_like of int, shape (h, w)
        Label maps; in place of both a :class:`Contingency`.
    ignore : array_like of bool, shape (h, w), optional
        Pixels that are not scored.
    epsilon : {"none", "conic", "hover_net"}
        See :func:`panoptic_ratios`.

    Returns
    -------
    PanopticQuality
        ``dq``, ``sq`` and ``pq``; NaN where both maps are empty (0 for ``"conic"``).

    Examples
    --------
    >>> panoptic_quality([[1, 1, 0, 2]], [[3, 3, 0, 0]])
    PanopticQuality(dq=0.6666666666666666, sq=1.0, pq=0.6666666666666666)
    """
    counts = panoptic_counts(table_of(true, pred, ignore))
    return PanopticQuality(*(float(q) for q in panoptic_ratios(counts, epsilon)))


def fill_absent(values: np.ndarray, counts: np.ndarray, absent: Absent) -> np.ndarray:
    """Apply the rule for images or classes without nuclei to their scores.

    Parameters
    ----------
    values : ndarray, shape (...)
        DQ, SQ or PQ.
    counts : ndarray, shape (..., 4)
        What they were computed from.
    absent : {"zero", "skip", "skip_empty"}
        ``"zero"``: without any nucleus the score is 0. ``"skip"``: without a *true* nucleus it is
        NaN, to be left out of means, whatever the prediction has there (PanNuke).
        ``"skip_empty"``: NaN only without true and predicted nucleus; false alarms score 0.
    """
    if absent not in _ABSENT:
        raise KaryoscopeError(f"absent must be one of {', '.join(_ABSENT)}; got {absent!r}")
    tp, fp, fn = counts[..., 0], counts[..., 1], counts[..., 2]
    empty = tp + fn == 0 if absent == "skip" else tp + fp + fn == 0
    return np.where(empty, 0.0 if absent == "zero" else np.nan, values)


class PanopticAccumulator(Accumulator):
    """DQ, SQ and PQ of a set of images, with each published kind of averaging.

    Parameters
    ----------
    taxonomy : Taxonomy, optional
        Classes to score; without it there are no ``mpq``, ``mpq_plus`` and ``classes``.
    epsilon : {"conic", "hover_net", "none"}
        See :func:`panoptic_quality`.
    absent : {"zero", "skip", "skip_empty"}
        What an image or class without nuclei counts in a mean; see :func:`fill_absent`.
    mixed : {"cut", "majority"}
        What becomes of a nucleus with pixels of several classes; see
        :func:`karyoscope.metrics.labels.parts_by_class`. Only class maps can have such.

    Notes
    -----
    :meth:`compute` returns

    - ``pq``, ``dq``, ``sq``: means over images, nuclei without class (the "PQ" of CoNIC and
      HoVer-Net, bPQ image-mean of PanNuke);
    - ``pq_pooled``, ``dq_pooled``, ``sq_pooled``: from the counts of all images together;
    - ``mpq``: mean over images of the mean over classes within an image;
    - ``mpq_plus``: mean over classes of the PQ pooled over images (CoNIC), and
      ``mpq_plus_present``: the same over the classes that the truth has;
    - ``classes``: for each ``tp, fp, fn, sum_iou``, ``dq, sq, pq`` pooled over images, and
      ``pq_images``, the mean over images;
    - ``bpq_tissues``, ``mpq_tissues``: mean over cohorts of the means over their images (PanNuke).

    Examples
    --------
    >>> from karyoscope.core.taxonomy import Taxonomy
    >>> scores = PanopticAccumulator(Taxonomy.load("lizard"), epsilon="none", absent="skip")
    >>> scores.update([[1, 1, 0, 2]], [[3, 3, 0, 0]], [0, 2, 3], [0, 0, 0, 2])
    >>> result = scores.compute()
    >>> round(result["pq"], 3), result["classes"]["epithelial"]["pq"], result["mpq_plus"]
    (0.667, 1.0, 0.5)
    """

    set_scores = (
        Score("pq", "PQ", "images", _WITHOUT_CLASS),
        Score("dq", "DQ", "images", _WITHOUT_CLASS),
        Score("sq", "SQ", "images", _WITHOUT_CLASS),
        Score("pq_pooled", "PQ, pooled"),
        Score("dq_pooled", "DQ, pooled"),
        Score("sq_pooled", "SQ, pooled"),
        Score("bpq_tissues", "bPQ", "tissues", _WITHOUT_CLASS),
        Score("mpq", "mPQ, image mean", "images"),
        Score("mpq_plus", "mPQ+", "classes"),
        Score("mpq_plus_present", "mPQ+, classes present", "classes that the truth has"),
        Score("mpq_tissues", "mPQ", "tissues"),
    )
    class_scores = (
        Score("pq", "PQ"),
        Score("dq", "DQ"),
        Score("sq", "SQ"),
        Score("pq_images", "PQ", "images that have the class"),
        *(count_score(name) for name in ("tp", "fp", "fn", "sum_iou")),
    )

    def __init__(
        self,
        taxonomy: Taxonomy | None = None,
        *,
        epsilon: Epsilon = "conic",
        absent: Absent = "zero",
        mixed: Mixed = "cut",
    ) -> None:
        super().__init__(taxonomy)
        panoptic_ratios(np.zeros(4), epsilon)
        fill_absent(np.zeros(()), np.zeros(4), absent)
        if mixed not in MIXED:
            raise KaryoscopeError(f"mixed must be one of {', '.join(MIXED)}; got {mixed!r}")
        self.epsilon: Epsilon = epsilon
        self.absent: Absent = absent
        self.mixed: Mixed = mixed
        self.conventions = {
            "pairing": "IoU > 0.5",
            "epsilon": epsilon,
            "absent": f"{absent}: an image or class without nuclei {_ABSENT[absent]}",
            "mixed": f"{mixed}: {MIXED[mixed]}",
        }

    def count(self, pair: Pair) -> np.ndarray:
        """Count tp, fp, fn, sum of IoU of all nuclei and of each class, shape (1 + k, 4)."""
        row = panoptic_counts(pair.table)[None]
        if not self.taxonomy:
            return row
        classed = pair.classed(self.mixed)
        by_class = panoptic_counts_by_class(
            classed.table, classed.true_classes, classed.pred_classes, self.taxonomy.ids
        )
        return np.concatenate([row, by_class])

    def _row_shape(self) -> tuple[int, ...]:
        return (1 + len(self.class_names), 4)

    def terms(self, counts: np.ndarray) -> Terms:
        """Return values for means over images as (value, defined) pairs, and the counts."""
        dq, sq, pq = (
            fill_absent(q, counts, self.absent) for q in panoptic_ratios(counts, self.epsilon)
        )
        mean_class = mean_over(pq[:, 1:])
        terms: Terms = {"counts": counts}
        terms |= mean_terms("dq", dq[:, 0]) | mean_terms("sq", sq[:, 0]) | mean_terms("pq", pq)
        terms |= mean_terms("mpq", mean_class)
        cohorts, member = np.unique(np.array(self.cohorts, str), return_inverse=True)
        belongs = member[:, None] == np.arange(len(cohorts))
        terms |= mean_terms("bpq_tissue", np.where(belongs, pq[:, :1], np.nan))
        return terms | mean_terms("mpq_tissue", np.where(belongs, mean_class[:, None], np.nan))

    def score(self, sums: Terms) -> Scores:
        """Scores as listed in the notes of the class."""
        counts = sums["counts"]
        pq_images = mean_of(sums, "pq")
        overall = {
            "pq": pq_images[..., 0],
            "dq": mean_of(sums, "dq"),
            "sq": mean_of(sums, "sq"),
        }
        pooled = panoptic_ratios(counts, self.epsilon)
        dq, sq, pq = (fill_absent(q, counts, self.absent) for q in pooled)
        overall |= {"pq_pooled": pq[..., 0], "dq_pooled": dq[..., 0], "sq_pooled": sq[..., 0]}
        overall["bpq_tissues"] = mean_over(mean_of(sums, "bpq_tissue"))
        if not self.taxonomy:
            return Scores(overall)
        present = fill_absent(pq, counts, "skip")
        overall |= {
            "mpq": mean_of(sums, "mpq"),
            "mpq_plus": mean_over(pq[..., 1:]),
            "mpq_plus_present": mean_over(present[..., 1:]),
            "mpq_tissues": mean_over(mean_of(sums, "mpq_tissue")),
        }
        of_counts = dict(
            zip(("tp", "fp", "fn", "sum_iou"), np.moveaxis(counts, -1, 0), strict=True)
        )
        of_classes = of_counts | {"dq": dq, "sq": sq, "pq": pq, "pq_images": pq_images}
        return Scores(overall, {name: value[..., 1:] for name, value in of_classes.items()})
