"""The contingency table of two label maps: everything that overlap metrics need.

One pass over the pixels finds the areas of all nuclei and the intersections of all pairs that
touch; each metric is then arithmetic on a few thousand numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from karyoscope.core.errors import KaryoscopeError
from karyoscope.metrics.kernels import cross_tabulate
from karyoscope.metrics.labels import as_label_map, compact


@dataclass(frozen=True)
class Contingency:
    """Areas of ``n`` true and ``m`` predicted nuclei and the ``k`` pairs that overlap.

    Attributes
    ----------
    true_ids, true_areas : ndarray of int, shape (n,)
        Ids, ascending, and pixels of each.
    pred_ids, pred_areas : ndarray of int, shape (m,)
        The same of the prediction.
    pair_true, pair_pred : ndarray of int32, shape (k,)
        Rows (not ids) of the two nuclei; ordered by ``pair_true``, then ``pair_pred``.
    pair_area : ndarray of int64, shape (k,)
        Pixels that the two share, at least one.
    """

    true_ids: np.ndarray
    true_areas: np.ndarray
    pred_ids: np.ndarray
    pred_areas: np.ndarray
    pair_true: np.ndarray
    pair_pred: np.ndarray
    pair_area: np.ndarray

    def __repr__(self) -> str:
        true, pred, pairs = len(self.true_ids), len(self.pred_ids), len(self.pair_area)
        return f"Contingency({true} true, {pred} predicted, {pairs} overlapping pairs)"

    @cached_property
    def pair_union(self) -> np.ndarray:
        """Pixels that either nucleus of a pair covers, shape (k,)."""
        areas = self.true_areas[self.pair_true] + self.pred_areas[self.pair_pred]
        union: np.ndarray = areas - self.pair_area
        return union

    @cached_property
    def pair_iou(self) -> np.ndarray:
        """Intersection over union of each pair, shape (k,)."""
        iou: np.ndarray = self.pair_area / self.pair_union
        return iou

    def select(self, true_keep: np.ndarray, pred_keep: np.ndarray) -> Contingency:
        """Leave only some nuclei, such as those of one class: masks of shape (n,) and (m,)."""
        pairs = true_keep[self.pair_true] & pred_keep[self.pair_pred]
        return Contingency(
            self.true_ids[true_keep],
            self.true_areas[true_keep],
            self.pred_ids[pred_keep],
            self.pred_areas[pred_keep],
            (np.cumsum(true_keep) - 1)[self.pair_true[pairs]],
            (np.cumsum(pred_keep) - 1)[self.pair_pred[pairs]],
            self.pair_area[pairs],
        )


def contingency(true: ArrayLike, pred: ArrayLike, ignore: ArrayLike | None = None) -> Contingency:
    """Count areas and intersections of two label maps.

    Parameters
    ----------
    true, pred : array_like, shape (h, w)
        Label maps, 0 where there is no nucleus. Ids may be any and have gaps; background may be
        missing; integer types may differ.
    ignore : array_like of bool, shape (h, w), optional
        Pixels that are not scored; see :func:`mask_ignored`.

    Raises
    ------
    KaryoscopeError
        If the maps are not label maps or differ in size.

    Examples
    --------
    >>> table = contingency([[0, 7, 7], [0, 7, 7]], [[0, 0, 2], [0, 0, 2]])
    >>> table.true_ids, table.true_areas, table.pair_area, table.pair_iou
    (array([7], dtype=int32), array([4]), array([2]), array([0.5]))
    """
    return tabulate(*label_maps(true, pred, ignore))


def table_of(
    true: ArrayLike | Contingency, pred: ArrayLike | None = None, ignore: ArrayLike | None = None
) -> Contingency:
    """Contingency table of two label maps, or the given table.

    Parameters
    ----------
    true, pred : array_like, shape (h, w)
        Label maps; in place of both a :class:`Contingency`, so that several scores share it.
    ignore : array_like of bool, shape (h, w), optional
        Pixels that are not scored; see :func:`mask_ignored`.

    Raises
    ------
    KaryoscopeError
        If the maps are not label maps or differ in size, one is missing, or something is given
        beside a table.
    """
    if isinstance(true, Contingency):
        if pred is not None or ignore is not None:
            raise KaryoscopeError("give two label maps, or the contingency table of two alone")
        return true
    if pred is None:
        raise KaryoscopeError("the predicted label map is missing: give the true and the predicted")
    return contingency(true, pred, ignore)


def tabulate(true: np.ndarray, pred: np.ndarray) -> Contingency:
    """Do the work of :func:`contingency` on maps that :func:`label_maps` has prepared."""
    true_map, true_names = compact(true)
    pred_map, pred_names = compact(pred)
    true_ids, true_areas, pred_ids, pred_areas, *pairs = cross_tabulate(
        true_map.ravel(),
        pred_map.ravel(),
        int(true_map.max(initial=0)) + 1,
        int(pred_map.max(initial=0)) + 1,
    )
    return Contingency(
        true_ids if true_names is None else true_names[true_ids],
        true_areas,
        pred_ids if pred_names is None else pred_names[pred_ids],
        pred_areas,
        *pairs,
    )


def label_maps(
    true: ArrayLike, pred: ArrayLike, ignore: ArrayLike | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Two label maps as int32, of one size, less the pixels that are not scored.

    Raises
    ------
    KaryoscopeError
        If they are not label maps or differ in size.
    """
    true_map = as_label_map(true, "true label map")
    pred_map = as_label_map(pred, "predicted label map")
    if true_map.shape != pred_map.shape:
        raise KaryoscopeError(
            f"true label map is {true_map.shape}, predicted one is {pred_map.shape}"
        )
    if ignore is None:
        return true_map, pred_map
    return mask_ignored(true_map, pred_map, ignore)


def mask_ignored(
    true: np.ndarray, pred: np.ndarray, ignore: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Take the pixels that are not scored out of two label maps.

    Ignored pixels are removed from both. A predicted nucleus that loses more than half of its
    pixels so is removed whole, unless the rest pairs with a true nucleus at an IoU above 0.5:
    it is no false alarm (the rule for void pixels of Kirillov et al., CVPR 2019, section 4.2).

    Parameters
    ----------
    true, pred : ndarray of int32, shape (h, w)
        Label maps.
    ignore : array_like of bool, shape (h, w)
        True where a pixel is not scored.

    Returns
    -------
    true, pred : ndarray of int32, shape (h, w)
        Copies.
    """
    mask = np.asarray(ignore, bool)
    if mask.shape != true.shape:
        raise KaryoscopeError(f"ignore mask is {mask.shape}, label maps are {true.shape}")
    whole = tabulate(true, pred)
    true, pred = np.where(mask, 0, true), np.where(mask, 0, pred)
    rest = tabulate(true, pred)
    before = whole.pred_areas[np.searchsorted(whole.pred_ids, rest.pred_ids)]
    drop = 2 * rest.pred_areas < before
    drop[rest.pair_pred[rest.pair_iou > 0.5]] = False
    return true, np.where(np.isin(pred, rest.pred_ids[drop]), 0, pred)
