"""True and predicted labels of one image in the form in which they are scored."""

from __future__ import annotations

from copy import copy
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.metrics.contingency_table import Contingency, label_maps, tabulate
from karyoscope.metrics.labels import as_classes, centroids, class_of_ids, parts_by_class

Mixed = Literal["cut", "majority"]
MIXED = {
    "cut": "a nucleus with pixels of several classes is cut into one part a class",
    "majority": "a nucleus with pixels of several classes has that of most of them",
}


class Classed(NamedTuple):
    """The nuclei of a pair with one class each.

    ``true`` and ``pred`` are label maps, ``table`` their contingency, ``true_classes`` and
    ``pred_classes`` the class of each row of the table.
    """

    true: np.ndarray
    pred: np.ndarray
    table: Contingency
    true_classes: np.ndarray
    pred_classes: np.ndarray


class Pair:
    """True and predicted nuclei of one image.

    Parameters
    ----------
    true, pred : array_like of int, shape (h, w)
        Label maps: the id of the nucleus at each pixel, 0 where there is none.
    true_classes, pred_classes : array_like, shape (largest id + 1,) or (h, w), optional
        Class of each id, or class of each pixel; 0 is "not labelled".
    name : str
        Name of the image, unique in its set.
    source : str
        The slide or larger image that it was cut from, which is what intervals resample; the
        name by default.
    cohort : str
        Centre, sub-dataset or tissue.
    ignore : array_like of bool, shape (h, w), optional
        Pixels that are not scored; see :func:`karyoscope.metrics.contingency_table.mask_ignored`.
    points : array_like, shape (n, 3), optional
        For truths that are points instead of outlines: x, y (pixels, origin at the corner of the
        top left pixel) and class. ``true`` is then not looked at.

    Raises
    ------
    KaryoscopeError
        If the maps are not label maps or differ in size, or a point has no place; the message
        names the image.
    """

    def __init__(
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
        points: ArrayLike | None = None,
    ) -> None:
        try:
            self.true, self.pred = label_maps(true, pred, ignore)
        except KaryoscopeError as error:
            raise KaryoscopeError(f"{name}: {error}" if name else str(error)) from error
        self.true_classes, self.pred_classes = (
            None if classes is None else as_classes(classes, f"{name}: classes of the {of}")
            for classes, of in ((true_classes, "truth"), (pred_classes, "prediction"))
        )
        self.name, self.source, self.cohort = name, source, cohort
        self.points = None if points is None else np.asarray(points, np.float64).reshape(-1, 3)
        if self.points is not None and not np.isfinite(self.points).all():
            raise KaryoscopeError(f"{name}: a point has a coordinate that is no number")
        self._classed: dict[Mixed, Classed] = {}

    def __repr__(self) -> str:
        height, width = self.true.shape
        true, pred = (len(np.unique(labels[labels != 0])) for labels in (self.true, self.pred))
        said = f"{true} true" if self.points is None else f"{len(self.points)} points"
        name = f"{self.name!r}, " if self.name else ""
        return f"Pair({name}{width} x {height} px: {said}, {pred} predicted)"

    @cached_property
    def table(self) -> Contingency:
        """Contingency table of the two label maps."""
        return tabulate(self.true, self.pred)

    def classed(self, mixed: Mixed) -> Classed:
        """Nuclei with one class each.

        Parameters
        ----------
        mixed : {"cut", "majority"}
            See :func:`karyoscope.metrics.labels.parts_by_class`.

        Raises
        ------
        KaryoscopeError
            If the pair has no classes, or not for all its nuclei.
        """
        if mixed not in self._classed:
            classed = self._with_classes(mixed)
            self._classed[mixed] = classed
            if classed.table is self.table:  # nothing was cut, so both rules agree
                self._classed = {"cut": classed, "majority": classed}
        return self._classed[mixed]

    def mapped(self, true: np.ndarray | None, pred: np.ndarray | None) -> Pair:
        """Return the pair with its classes looked up in tables, such as of ``lookup_to``."""
        if true is None and pred is None:
            return self
        other = copy(self)
        other._classed = {}
        if true is not None and self.true_classes is not None:
            other.true_classes = true[self.true_classes]
        if true is not None and self.points is not None:
            classes = true[self.points[:, 2].astype(np.int64)]
            other.points = np.column_stack([self.points[:, :2], classes])
        if pred is not None and self.pred_classes is not None:
            other.pred_classes = pred[self.pred_classes]
        return other

    def in_one_class(self, taxonomy: Taxonomy | None) -> Pair:
        """Return the pair with the class of every nucleus, where the taxonomy has a single one.

        Classes that the pair came with stay; so does a pair for a taxonomy of several classes.
        """
        known = self.true_classes is not None and self.pred_classes is not None
        if known or taxonomy is None or len(taxonomy) != 1:
            return self
        other = copy(self)
        other._classed = {}
        (class_id,) = taxonomy.ids
        if other.true_classes is None:
            other.true_classes = np.where(self.true != 0, class_id, 0).astype(np.uint8)
        if other.pred_classes is None:
            other.pred_classes = np.where(self.pred != 0, class_id, 0).astype(np.uint8)
        return other

    def centroids(self, of: Literal["true", "pred"]) -> tuple[np.ndarray, np.ndarray | None]:
        """Positions of the true or the predicted nuclei and the class of each.

        Returns
        -------
        points : ndarray of float64, shape (n, 2)
            x, y in pixels: the points of the truth where it has such, else centroids.
        classes : ndarray of int, shape (n,), or None
            Class of most pixels of each object; None where the pair came without classes.
        """
        if of == "true" and self.points is not None:
            return self.points[:, :2], self.points[:, 2].astype(np.int64)
        labels, classes = (
            (self.true, self.true_classes) if of == "true" else (self.pred, self.pred_classes)
        )
        if classes is None:
            return centroids(labels)[1], None
        parts, table = parts_by_class(labels, classes, "majority")
        ids, points = centroids(parts)
        return points, class_of_ids(table, ids, f"{self.name}: classes")

    def _with_classes(self, mixed: Mixed) -> Classed:
        if mixed not in MIXED:
            raise KaryoscopeError(f"mixed must be one of {', '.join(MIXED)}; got {mixed!r}")
        if self.true_classes is None or self.pred_classes is None:
            raise KaryoscopeError(f"{self.name or 'an image'} came without classes to score")
        true, of_true = parts_by_class(self.true, self.true_classes, mixed)
        pred, of_pred = parts_by_class(self.pred, self.pred_classes, mixed)
        same = true is self.true and pred is self.pred
        table = self.table if same else tabulate(true, pred)
        return Classed(
            true,
            pred,
            table,
            class_of_ids(of_true, table.true_ids, f"{self.name}: true classes"),
            class_of_ids(of_pred, table.pred_ids, f"{self.name}: predicted classes"),
        )
