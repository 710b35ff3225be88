"""Object-level Dice, IoU and Hausdorff distance (GlaS challenge; Qu et al.)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.metrics.accumulate import Accumulator, Scores, Terms, mean_of, mean_terms
from karyoscope.metrics.contingency_table import Contingency, label_maps, tabulate
from karyoscope.metrics.geometry import connected_parts, hausdorff_to_partners
from karyoscope.metrics.labels import compact
from karyoscope.metrics.overlap import best_overlap
from karyoscope.metrics.pair import Pair
from karyoscope.metrics.scores import Score

ObjectBy = Literal["id", "component"]
_BY = {
    "id": "an object is an id, in however many pieces",
    "component": "an object is an 8-connected region of one id",
}
MEASURES = ("object_dice", "object_iou", "object_hausdorff")


class ObjectScores(NamedTuple):
    """Scores of the objects of one image.

    Attributes
    ----------
    dice : float
        Object Dice coefficient, 0 to 1.
    iou : float
        Object IoU, 0 to 1.
    hausdorff : float
        Object Hausdorff distance in pixels; infinite where one of the two maps is empty.
    """

    dice: float
    iou: float
    hausdorff: float


def object_scores(
    true: ArrayLike,
    pred: ArrayLike,
    by: ObjectBy = "id",
    *,
    ignore: ArrayLike | None = None,
) -> ObjectScores:
    """Object Dice, object IoU and object Hausdorff distance of one image.

    With G_i the true and S_j the predicted objects, S*(G_i) the predicted object that overlaps
    G_i most (the smallest id on ties) and likewise G*(S_j), each is (Sirinukunwattana et al.,
    Medical Image Analysis 2017)::

        1/2 [ sum_i |G_i| / sum |G| m(G_i, S*(G_i)) + sum_j |S_j| / sum |S| m(G*(S_j), S_j) ]

    with m the Dice coefficient, the IoU (both 0 without overlap) or the Hausdorff distance in
    pixels over all pixels of both objects (without overlap, to the object of the other map at the
    smallest such distance).

    Parameters
    ----------
    true, pred : array_like of int, shape (h, w)
        Label maps.
    by : {"id", "component"}
        Whether an object is an id or an 8-connected region of one, as published code has it.
    ignore : array_like of bool, shape (h, w), optional
        Pixels that are not scored.

    Returns
    -------
    ObjectScores
        ``dice``, ``iou`` and ``hausdorff``: NaN where both maps are empty; 0, 0, inf where one is.

    Examples
    --------
    >>> object_scores([[1, 1, 0, 0]], [[0, 5, 5, 0]])
    ObjectScores(dice=0.5, iou=0.3333333333333333, hausdorff=1.0)
    """
    if by not in _BY:
        raise KaryoscopeError(f"by must be one of {', '.join(_BY)}; got {by!r}")
    true_map, pred_map = (compact(labels)[0] for labels in label_maps(true, pred, ignore))
    if by == "component":
        true_map, pred_map = connected_parts(true_map), connected_parts(pred_map)
    table = tabulate(true_map, pred_map)
    if not len(table.true_ids) or not len(table.pred_ids):
        both = len(table.true_ids) == len(table.pred_ids)
        return ObjectScores(np.nan, np.nan, np.nan) if both else ObjectScores(0.0, 0.0, np.inf)
    of_true = _side(table, true_map, pred_map, "true")
    mean = (of_true + _side(table, pred_map, true_map, "pred")) / 2
    return ObjectScores(*mean.tolist())


def _side(
    table: Contingency, own: np.ndarray, other: np.ndarray, of: Literal["true", "pred"]
) -> np.ndarray:
    """One of the two sums: objects of ``own``, weighted by their area."""
    ids, areas = (
        (table.true_ids, table.true_areas) if of == "true" else (table.pred_ids, table.pred_areas)
    )
    other_ids, other_row = (
        (table.pred_ids, table.pair_pred) if of == "true" else (table.true_ids, table.pair_true)
    )
    best = best_overlap(table, of)
    found = best >= 0
    iou = np.where(found, table.pair_iou[best] if len(table.pair_iou) else 0.0, 0.0)
    partner = np.zeros(int(ids[-1]) + 1, np.int64)
    partner[ids[found]] = other_ids[other_row[best[found]]]
    squared = hausdorff_to_partners(own, other, partner, int(ids[-1]) + 1, int(other_ids[-1]) + 1)
    measures = np.stack([2 * iou / (1 + iou), iou, np.sqrt(squared[ids])])
    weighted: np.ndarray = measures @ (areas / areas.sum())
    return weighted


def _distance(name: str, title: str) -> Score:
    """Declare a distance in pixels, a mean over images."""
    return Score(name, title, "images", higher_is_better=False, range=(0.0, math.inf))


class ObjectAccumulator(Accumulator):
    """Object Dice, IoU and Hausdorff distance of a set of images, of all nuclei and per class.

    Parameters
    ----------
    taxonomy : Taxonomy, optional
        Classes; each is scored with the nuclei of that class alone in both maps.
    by : {"id", "component"}
        See :func:`object_scores`.

    Notes
    -----
    :meth:`compute` returns ``object_dice``, ``object_iou`` and ``object_hausdorff`` (pixels) as
    means over the images with a nucleus in either map. One image with nuclei in just one map
    makes the Hausdorff distance infinite; ``object_hausdorff_finite`` is the mean over the
    others. ``classes`` holds the same for each class.

    Examples
    --------
    >>> scores = ObjectAccumulator()
    >>> scores.update([[1, 1, 0, 0]], [[0, 5, 5, 0]])
    >>> scores.compute()["object_hausdorff"]
    1.0
    """

    set_scores = (
        Score("object_dice", "object Dice", "images", short="Dice_obj"),
        Score("object_iou", "object IoU", "images"),
        _distance("object_hausdorff", "object Hausdorff, px"),
        _distance("object_hausdorff_finite", "object Hausdorff, finite, px"),
    )
    class_scores = (
        Score("object_dice", "object Dice", "images", short="Dice_obj"),
        *(replace(score, listed=False) for score in set_scores[1:]),
    )

    def __init__(self, taxonomy: Taxonomy | None = None, *, by: ObjectBy = "id") -> None:
        super().__init__(taxonomy)
        object_scores([[0]], [[0]], by)
        self.by: ObjectBy = by
        self.conventions = {
            "object": f"{by}: {_BY[by]}",
            "mean": "over images with a nucleus in either map",
            "one map empty": "Hausdorff distance infinite",
        }

    def count(self, pair: Pair) -> np.ndarray:
        """Object Dice, IoU and Hausdorff distance of all and of each class, shape (1 + k, 3).

        A nucleus whose pixels carry several classes has that of most of them.
        """
        rows = [object_scores(pair.true, pair.pred, self.by)]
        for c in self.taxonomy.ids if self.taxonomy else ():
            true, pred, table, of_true, of_pred = pair.classed("majority")
            true_of_class = np.where(np.isin(true, table.true_ids[of_true == c]), true, 0)
            pred_of_class = np.where(np.isin(pred, table.pred_ids[of_pred == c]), pred, 0)
            rows.append(object_scores(true_of_class, pred_of_class, self.by))
        return np.array(rows)

    def _row_shape(self) -> tuple[int, ...]:
        return (1 + len(self.class_names), len(MEASURES))

    def terms(self, counts: np.ndarray) -> Terms:
        """Return finite values with their number, and the number of infinite ones."""
        return mean_terms("value", counts) | {"infinite": np.isinf(counts).astype(np.float64)}

    def score(self, sums: Terms) -> Scores:
        """Means over images."""
        finite = mean_of(sums, "value")
        mean = np.where(sums["infinite"] > 0, np.inf, finite)
        named = {name: mean[..., i] for i, name in enumerate(MEASURES)}
        named["object_hausdorff_finite"] = finite[..., 2]
        overall = {name: value[..., 0] for name, value in named.items()}
        return Scores(overall, {name: value[..., 1:] for name, value in named.items()})
