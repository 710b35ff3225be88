"""What every metric of this package shares: images give terms, terms add up, sums give scores.

A metric is written as three steps, and an accumulator is only the list of what the first returns:

1. one image -> *counts* (:meth:`Accumulator.count`);
2. counts of n images -> *terms*, arrays whose first axis is the image (:meth:`Accumulator.terms`);
3. sums of terms over images -> *scores* (:meth:`Accumulator.score`), over any leading axes.

Because only sums are scored, batches, shards and bootstrap samples all use the same code.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.metrics.pair import Pair
from karyoscope.metrics.scores import Score

Terms = dict[str, np.ndarray]


@dataclass(frozen=True)
class Scores:
    """Scores of one set, or of many at once along leading axes.

    Attributes
    ----------
    overall : dict of str to ndarray, shape (...)
        Scores over all images, by name of the metric.
    classes : dict of str to ndarray, shape (..., k)
        By name of the metric; the last axis runs over the classes of the taxonomy.
    """

    overall: dict[str, np.ndarray]
    classes: dict[str, np.ndarray] = field(default_factory=dict)

    def as_dict(self, class_names: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return plain numbers of one set; ``classes`` by name where there are any."""
        plain: dict[str, Any] = {name: float(value) for name, value in self.overall.items()}
        if class_names and self.classes:
            plain["classes"] = {
                name: {metric: float(value[k]) for metric, value in self.classes.items()}
                for k, name in enumerate(class_names)
            }
        return plain


class Accumulator(ABC):
    """Counts of images, one row an image, that can be merged, scored and resampled.

    Subclasses say how an image becomes counts, counts become terms and sums of terms become
    scores; all else is here.

    Parameters
    ----------
    taxonomy : Taxonomy, optional
        Classes to score, in its order; without it, nuclei are scored without class.

    Attributes
    ----------
    conventions : mapping of str to str
        Conventions, by subject, where several definitions are in use; part of every result.
    names, sources, cohorts : list of str
        Names, sources and cohorts of the images, in the order they came.
    takes_points : bool
        Whether a truth of points, without outlines, can be scored.
    takes_counting : bool
        Whether the nuclei to score are those that a model found for counting, where it has
        parameters of its own for that.
    set_scores, class_scores : tuple of Score
        What the metric gives of all nuclei and of each class: title, decimals, direction, range
        and what each is a mean over. Protocols, tables and pages read it from here.
    """

    conventions: Mapping[str, str] = MappingProxyType({})
    takes_points: ClassVar[bool] = False
    takes_counting: ClassVar[bool] = False
    set_scores: ClassVar[tuple[Score, ...]] = ()
    class_scores: ClassVar[tuple[Score, ...]] = ()

    def __init__(self, taxonomy: Taxonomy | None = None) -> None:
        self.taxonomy = taxonomy
        self.names: list[str] = []
        self.sources: list[str] = []
        self.cohorts: list[str] = []
        self._rows: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        shown = described(self.set_scores, self.scores().overall) if len(self) else ""
        of = f", {len(self.class_names)} classes" if self.class_names else ""
        return f"{type(self).__name__}({len(self)} images{of}{shown})"

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes that are scored."""
        return self.taxonomy.names if self.taxonomy else ()

    @property
    def counts(self) -> np.ndarray:
        """Counts of all images, float64, shape (images, ...)."""
        return np.stack(self._rows) if self._rows else np.zeros((0, *self._row_shape()))

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
    ) -> None:
        """Add one image; parameters as of :class:`karyoscope.metrics.pair.Pair`."""
        labels = true, pred, true_classes, pred_classes
        self.add(Pair(*labels, name=name, source=source, cohort=cohort, ignore=ignore))

    def add(self, pair: Pair) -> None:
        """Add one image; the tables of a pair are computed once for all metrics.

        Where the taxonomy has a single class, every nucleus of a label map that came without
        classes is of that class.
        """
        pair = pair.in_one_class(self.taxonomy)
        self._append(self.count(pair), pair.name, pair.source, pair.cohort)

    def _append(self, row: np.ndarray, name: str, source: str, cohort: str) -> None:
        name = name or str(len(self._rows))
        self.names.append(name)
        self.sources.append(source or name)
        self.cohorts.append(cohort)
        self._rows.append(np.asarray(row, np.float64))

    def merge(self, other: Self) -> Self:
        """Append the images of another accumulator of the same kind; return this one.

        Raises
        ------
        KaryoscopeError
            If the other one has other classes or other conventions, or an image of the same name.
        """
        if type(self) is not type(other) or self.class_names != other.class_names:
            raise KaryoscopeError("cannot merge accumulators of different metrics or classes")
        if self.conventions != other.conventions:
            raise KaryoscopeError(
                f"cannot merge scores of different conventions: {self.conventions} and"
                f" {other.conventions}"
            )
        both = set(self.names) & set(other.names)
        if both:
            raise KaryoscopeError(
                f"image {min(both)!r} is in both sets; give images distinct names"
            )
        self.names += other.names
        self.sources += other.sources
        self.cohorts += other.cohorts
        self._rows += other._rows
        return self

    def reset(self) -> None:
        """Forget all images, as before the next epoch; classes and conventions stay."""
        self.names, self.sources, self.cohorts, self._rows = [], [], [], []

    def take(self, images: ArrayLike) -> Self:
        """Return an accumulator of some of the images, by index, in the order given."""
        part = copy(self)
        rows = np.asarray(images, np.int64).tolist()
        part.names, part.sources, part.cohorts, part._rows = (
            [column[i] for i in rows]
            for column in (self.names, self.sources, self.cohorts, self._rows)
        )
        return part

    def restore(
        self, names: list[str], sources: list[str], cohorts: list[str], counts: ArrayLike
    ) -> Self:
        """Fill an empty accumulator with the counts of another one; return it.

        Raises
        ------
        KaryoscopeError
            If the counts are not of this metric with these classes.
        """
        table = np.asarray(counts, np.float64).reshape(len(names), -1)
        if table.size != len(names) * int(np.prod(self._row_shape())):
            raise KaryoscopeError("stored counts do not fit the metric and its classes")
        self.names, self.sources, self.cohorts = list(names), list(sources), list(cohorts)
        self._rows = list(table.reshape(-1, *self._row_shape()))
        return self

    def scores(self) -> Scores:
        """Scores of all images together, as 0-d arrays (and (k,) for classes)."""
        terms = self.terms(self.counts)
        return self.score({name: value.sum(axis=0) for name, value in terms.items()})

    def image_scores(self) -> Scores:
        """Return the scores of each image: shape (images,), and (images, k) for those by class."""
        return self.score(self.terms(self.counts))

    def compute(self) -> dict[str, Any]:
        """Scores as plain numbers, ``classes`` by name, ``images`` and ``conventions``."""
        result = self.scores().as_dict(self.class_names)
        return result | {"images": len(self), "conventions": dict(self.conventions)}

    def confusion(self) -> dict[str, Any] | None:
        """Confusion matrix of classes with the names of its rows and columns, if there is one."""
        return None

    @abstractmethod
    def count(self, pair: Pair) -> np.ndarray:
        """Counts of one image, of the shape that all its images have."""

    @abstractmethod
    def _row_shape(self) -> tuple[int, ...]: ...

    @abstractmethod
    def terms(self, counts: np.ndarray) -> Terms:
        """Additive terms of images from their counts; first axis the image."""

    @abstractmethod
    def score(self, sums: Terms) -> Scores:
        """Scores from terms summed over images; any leading axes."""


def described(declared: Iterable[Score], values: Mapping[str, ArrayLike]) -> str:
    """Scores in a line, as ``; PQ 0.667, DQ 1.000``; those that tables do not show are left out."""
    shown = [
        f"{score.narrow} {float(np.asarray(values[score.name])):.{score.digits}f}"
        for score in declared
        if score.listed and score.name in values
    ]
    return "; " + ", ".join(shown) if shown else ""


def ratio(above: ArrayLike, below: ArrayLike) -> np.ndarray:
    """``above / below``, NaN where ``below`` is 0, without a warning."""
    above, below = np.broadcast_arrays(np.asarray(above, np.float64), np.asarray(below, np.float64))
    result = np.full(above.shape, np.nan)
    np.divide(above, below, out=result, where=below != 0)
    return result


def mean_terms(name: str, values: np.ndarray) -> Terms:
    """Return terms whose ratio is the mean over images: the values and whether each is defined."""
    defined = np.isfinite(values)
    return {name: np.where(defined, values, 0.0), f"{name}/images": defined.astype(np.float64)}


def mean_of(sums: Terms, name: str) -> np.ndarray:
    """Return the mean over the images where a value is defined; NaN where it is in none."""
    return ratio(sums[name], sums[f"{name}/images"])


def mean_over(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Mean over an axis, NaN entries left out; NaN where all are, without a warning."""
    defined = np.isfinite(values)
    return ratio(np.where(defined, values, 0.0).sum(axis), defined.sum(axis))
