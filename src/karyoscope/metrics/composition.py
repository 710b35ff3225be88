"""Cellular composition: nuclei per class of an image, and how well they are predicted (R²).

In short::

    scores = CompositionAccumulator(taxonomy)                 # central 224 of 256 px patches
    scores.update(true_map, pred_map, true_classes, pred_classes, name="a", source="slide 1")
    scores.compute()["r2"], scores.compute()["classes"]["plasma"]["r2"]
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.metrics.accumulate import Accumulator, Scores, Terms, mean_over, ratio
from karyoscope.metrics.kernels import present_ids
from karyoscope.metrics.labels import as_label_map, parts_by_class
from karyoscope.metrics.pair import Pair
from karyoscope.metrics.scores import Score, count_score

CONIC_PATCH = 256
CONIC_CROP = 224


def count_nuclei(
    inst_map: ArrayLike, classes: ArrayLike, class_ids: ArrayLike, crop: int | None = None
) -> np.ndarray:
    """Count the nuclei of each class.

    Parameters
    ----------
    inst_map : array_like of int, shape (h, w)
        Label map.
    classes : array_like, shape (largest id + 1,) or (h, w)
        Class by id or by pixel; a nucleus with pixels of two classes counts in both.
    class_ids : array_like of int, shape (k,)
        Classes to count.
    crop : int, optional
        Side of the central square that counts: a nucleus with at least one pixel in it does.
        CoNIC counts the central 224 of its 256 px patches. None counts the whole image.

    Returns
    -------
    ndarray of int64, shape (k,)

    Raises
    ------
    KaryoscopeError
        If the image is smaller than the crop.

    Examples
    --------
    >>> count_nuclei([[4, 4, 0], [0, 9, 9]], [0, 0, 0, 0, 1, 0, 0, 0, 0, 1], [1, 2])
    array([2, 0])
    """
    parts, table = parts_by_class(as_label_map(inst_map), classes)
    return _count_present(parts, np.arange(len(table)), table, class_ids, crop)


def _count_present(
    labels: np.ndarray, ids: np.ndarray, classes: np.ndarray, class_ids: ArrayLike, crop: int | None
) -> np.ndarray:
    """Count by class the ids with a pixel in the crop; ``classes`` is that of each of ``ids``."""
    if crop is not None:
        top, left = ((side - crop) // 2 for side in labels.shape)
        if top < 0 or left < 0:
            raise KaryoscopeError(f"an image of {labels.shape} has no central {crop} px to count")
        labels = labels[top : top + crop, left : left + crop]
    present = present_ids(labels, int(ids[-1]) + 1 if len(ids) else 1)[ids]
    counts = np.bincount(classes[present], minlength=int(np.max(class_ids)) + 1)
    by_class: np.ndarray = counts[np.asarray(class_ids)]
    return by_class


def r_squared(sums: Terms) -> np.ndarray:
    """R² = 1 - sum (y - p)² / sum (y - mean y)², from sums over images.

    Parameters
    ----------
    sums : dict
        ``images`` (...,), and ``true``, ``true_squared``, ``error_squared``, each (..., k).

    Returns
    -------
    ndarray, shape (..., k)
        There is no lower bound. NaN for fewer than two images. Where the true count is the same
        in all images: 1 if it is predicted exactly, else 0 (the convention of scikit-learn).
    """
    images = sums["images"][..., None]
    # Times the number of images everything is a whole number, so that "constant" is exact.
    spread = images * sums["true_squared"] - sums["true"] ** 2
    error = images * sums["error_squared"]
    constant = np.where(error == 0, 1.0, 0.0)
    r2 = np.where(spread > 0, 1.0 - ratio(error, np.where(spread > 0, spread, 1.0)), constant)
    return np.where(images < 2, np.nan, r2)


class CompositionAccumulator(Accumulator):
    """Counts of nuclei per class and image, and R² over the images.

    Parameters
    ----------
    taxonomy : Taxonomy
        Classes to count.
    crop : int or None
        Side of the central square that counts, in images of ``patch`` x ``patch`` pixels only;
        images of any other size count whole. None counts all whole.
    patch : int
        See ``crop``.

    Notes
    -----
    :meth:`compute` returns ``r2`` (mean over all classes of the taxonomy, as CoNIC does),
    ``r2_present`` (over the classes that the truth has) and for each class ``r2``, ``true`` and
    ``pred`` (nuclei in all images).

    Examples
    --------
    >>> from karyoscope.core.taxonomy import Taxonomy
    >>> scores = CompositionAccumulator(Taxonomy.load("lizard"))
    >>> scores.update_counts([0, 4, 0, 0, 0, 0], [0, 5, 0, 0, 0, 0])
    >>> scores.update_counts([0, 8, 0, 0, 0, 0], [0, 8, 0, 0, 0, 0])
    >>> scores.compute()["classes"]["epithelial"]
    {'true': 12.0, 'pred': 13.0, 'r2': 0.875}
    """

    takes_counting = True
    set_scores = (
        Score("r2", "R²", "classes", range=(-math.inf, 1.0)),
        Score(
            "r2_present",
            "R², classes present",
            "classes that the truth has",
            range=(-math.inf, 1.0),
        ),
    )
    class_scores = (
        Score("r2", "R²", range=(-math.inf, 1.0)),
        count_score("true", "true", listed=True),
        count_score("pred", "found", listed=True),
    )

    def __init__(
        self, taxonomy: Taxonomy, *, crop: int | None = CONIC_CROP, patch: int = CONIC_PATCH
    ) -> None:
        super().__init__(taxonomy)
        self.class_ids = taxonomy.ids
        self.crop, self.patch = crop, patch
        region = f"central {crop} of {patch} px patches, other sizes whole" if crop else "whole"
        self.conventions = {
            "counted": f"nuclei with a pixel in the image: {region}",
            "r2": "per class over images, then mean; constant truth: 1 if exact, else 0",
        }

    def count(self, pair: Pair) -> np.ndarray:
        """Nuclei of each class, true and predicted, shape (2, k)."""
        crop = self.crop if pair.true.shape == (self.patch, self.patch) else None
        true, pred, table, of_true, of_pred = pair.classed("cut")
        nuclei = (true, table.true_ids, of_true), (pred, table.pred_ids, of_pred)
        return np.stack([_count_present(*of_one, self.class_ids, crop) for of_one in nuclei])

    def update_counts(
        self,
        true: ArrayLike,
        pred: ArrayLike,
        *,
        name: str = "",
        source: str = "",
        cohort: str = "",
    ) -> None:
        """Add one image of which the counts are known, shape (k,) in the taxonomy's order."""
        row = np.stack([np.asarray(true, np.float64), np.asarray(pred, np.float64)])
        if row.shape != self._row_shape():
            raise KaryoscopeError(f"counts of {row.shape[1]} classes, not {len(self.class_names)}")
        self._append(row, name, source, cohort)

    def _row_shape(self) -> tuple[int, ...]:
        return (2, len(self.class_names))

    def terms(self, counts: np.ndarray) -> Terms:
        """Sums from which R² is computed."""
        true, pred = counts[:, 0], counts[:, 1]
        return {
            "images": np.ones(len(counts)),
            "true": true,
            "pred": pred,
            "true_squared": true**2,
            "error_squared": (true - pred) ** 2,
        }

    def score(self, sums: Terms) -> Scores:
        """R² and counts of all images together."""
        r2 = r_squared(sums)
        overall = {
            "r2": r2.mean(axis=-1),
            "r2_present": mean_over(np.where(sums["true"] > 0, r2, np.nan)),
        }
        return Scores(overall, {"true": sums["true"], "pred": sums["pred"], "r2": r2})
