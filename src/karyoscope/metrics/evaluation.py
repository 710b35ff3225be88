"""Scores of a set of images by a protocol, with the counts needed for comparisons."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Self

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.metrics.accumulate import Accumulator, Scores, described
from karyoscope.metrics.pair import Pair
from karyoscope.metrics.protocol import Names, ScoringProtocol
from karyoscope.metrics.protocols import find_protocol
from karyoscope.metrics.resampling import bootstrap, bootstrap_difference


class Evaluation:
    """Scores of a set of images by one protocol.

    ``evaluation["pq"]`` is one score and ``evaluation["classes"]["plasma"]["pq"]`` that of a
    class; :attr:`scores` holds all of them.

    Parameters
    ----------
    protocol : str
        One of :data:`karyoscope.metrics.protocols.PROTOCOLS`.
    taxonomy : Taxonomy, optional
        Classes; without it nuclei are scored without class.
    mpp : float, optional
        Micrometres per pixel, for protocols in which lengths enter.

    Raises
    ------
    KaryoscopeError
        If there is no such protocol, or it needs ``mpp``, or ``mpp`` is no pixel size.
    """

    def __init__(
        self, protocol: str = "conic", taxonomy: Taxonomy | None = None, mpp: float | None = None
    ) -> None:
        self.protocol: ScoringProtocol = find_protocol(protocol)
        if self.protocol.needs_mpp and mpp is None:
            raise KaryoscopeError(
                f"protocol {protocol!r} pairs nuclei by distance in µm: give the pixel size (mpp)"
            )
        number = isinstance(mpp, (int, float)) and not isinstance(mpp, bool)
        if mpp is not None and not (number and (0 < mpp < math.inf or math.isnan(mpp))):
            raise KaryoscopeError(f"mpp must be positive micrometres per pixel; got {mpp!r}")
        self.taxonomy, self.mpp = taxonomy, mpp
        self.parts: dict[str, Accumulator] = self.protocol.build(taxonomy, mpp)

    def add(self, pair: Pair, counting: Pair | None = None) -> None:
        """Add one image. A truth of points is scored by the metrics of points alone.

        Parameters
        ----------
        pair : Pair
            True and predicted label map of one image.
        counting : Pair, optional
            The same image with the nuclei that were found to be counted, for the cellular
            composition.
        """
        pair = pair.in_one_class(self.taxonomy)
        counting = None if counting is None else counting.in_one_class(self.taxonomy)
        for part in self.parts.values():
            if pair.points is None or part.takes_points:
                part.add(pair if counting is None or not part.takes_counting else counting)

    def merge(self, other: Self) -> Self:
        """Append the images of another evaluation of the same kind; return this one."""
        for name, part in self.parts.items():
            part.merge(other.parts[name])
        return self

    def __getitem__(self, name: str) -> Any:
        return self.scores[name]

    def __len__(self) -> int:
        return max(len(part) for part in self.parts.values())

    def __repr__(self) -> str:
        scores = self.scores if len(self) else {}
        shown = described(self.protocol.main(scores), scores)
        of = f", {len(self.class_names)} classes" if self.class_names else ""
        return f"Evaluation({self.protocol.name}: {len(self)} images{of}{shown})"

    @property
    def scores(self) -> dict[str, Any]:
        """Return scores by name, and ``classes``: scores by class name and name."""
        found = {name: part.scores() for name, part in self.parts.items()}
        return self._pick(found).as_dict(self.class_names)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes that are scored."""
        return self.taxonomy.names if self.taxonomy else ()

    @property
    def class_set(self) -> str:
        """Name of the class set and its classes, for messages."""
        if not self.taxonomy:
            return "no classes"
        return f"the class set {self.taxonomy.name!r} ({', '.join(self.class_names)})"

    @property
    def conventions(self) -> dict[str, dict[str, str]]:
        """Definitions that were computed, by metric."""
        return {name: dict(part.conventions) for name, part in self.parts.items()}

    @property
    def confusion(self) -> dict[str, Any] | None:
        """Confusion matrix with the names of its rows and columns; None without classes."""
        for part in self.parts.values():
            matrix = part.confusion() if self.taxonomy else None
            if matrix is not None:
                return matrix | {"pairing": part.conventions.get("pairing", "")}
        return None

    def image_scores(self) -> list[dict[str, Any]]:
        """Return a row for each image: name, source, cohort and its scores alone."""
        whole = [part for part in self.parts.values() if len(part) == len(self)]
        if not whole:
            return []
        found = {name: part.image_scores() for name, part in self.parts.items() if part in whole}
        columns = self._pick(found).overall
        return [
            {"name": name, "source": source, "cohort": cohort}
            | {
                metric: float(values[i])
                for metric, values in columns.items()
                if metric not in self.protocol.set_only
            }
            for i, (name, source, cohort) in enumerate(
                zip(whole[0].names, whole[0].sources, whole[0].cohorts, strict=True)
            )
        ]

    def by_cohort(self) -> dict[str, Evaluation]:
        """Return one evaluation for the images of each cohort, in the order of their names."""
        cohorts = sorted({cohort for part in self.parts.values() for cohort in part.cohorts})
        result = {}
        for cohort in cohorts:
            result[cohort] = Evaluation(self.protocol.name, self.taxonomy, self.mpp)
            for name, part in self.parts.items():
                images = np.flatnonzero(np.array(part.cohorts) == cohort)
                result[cohort].parts[name] = part.take(images)
        return result

    def intervals(
        self, *, samples: int = 1000, level: float = 0.95, seed: int = 0
    ) -> dict[str, Any]:
        """Bootstrap intervals of all scores over sources; see :func:`bootstrap`."""
        found = {
            name: bootstrap(part, samples=samples, level=level, seed=seed)
            for name, part in self.parts.items()
            if len(part)
        }
        return self._pick_plain(found)

    def difference(
        self, other: Evaluation, *, samples: int = 1000, level: float = 0.95, seed: int = 0
    ) -> dict[str, Any]:
        """Return ``other`` less this one, paired by image; see :func:`bootstrap_difference`.

        Where the two were scored with different classes, the scores that do not depend on the
        classes are compared, and there is no ``classes``.

        Raises
        ------
        KaryoscopeError
            If protocols or images differ, or the two have no score in common.
        """
        if self.protocol.name != other.protocol.name:
            raise KaryoscopeError(
                f"one run was scored by protocol {self.protocol.name!r}, the other by"
                f" {other.protocol.name!r}"
            )
        common = None if self.class_names == other.class_names else self._without_classes()
        found = {
            name: bootstrap_difference(
                part,
                other.parts[name],
                samples=samples,
                level=level,
                seed=seed,
                without_classes=None if common is None else common.get(name, ()),
            )
            for name, part in self.parts.items()
            if (common is None or common.get(name)) and (len(part) or len(other.parts[name]))
        }
        picked = self._pick_plain(found)
        if common is None:
            return picked
        picked.pop("classes", None)
        if not picked:
            raise KaryoscopeError(
                "the two runs have no score in common: one was scored with"
                f" {self.class_set}, the other with {other.class_set}"
            )
        return picked

    def _without_classes(self) -> dict[str, set[str]]:
        """Return the scores that the protocol also gives of nuclei without class, by part."""
        bare = Evaluation(self.protocol.name, None, self.mpp)
        bare.add(Pair([[1]], [[1]]))
        return {name: set(part.scores().overall) for name, part in bare.parts.items()}

    def _pick(self, found: dict[str, Scores]) -> Scores:
        def pick(names: Names, of: str) -> dict[str, np.ndarray]:
            return {
                name: getattr(found[r.part], of)[r.key]
                for name, r in names.items()
                if r.part in found and r.key in getattr(found[r.part], of)
            }

        return Scores(
            pick(self.protocol.overall, "overall"), pick(self.protocol.classes, "classes")
        )

    def _pick_plain(self, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
        def pick(names: Names, of: dict[str, dict[str, Any]]) -> dict[str, Any]:
            return {
                name: of[r.part][r.key]
                for name, r in names.items()
                if r.part in of and r.key in of[r.part]
            }

        result = pick(self.protocol.overall, found)
        if self.taxonomy and self.protocol.classes:
            result["classes"] = {
                c: pick(
                    self.protocol.classes,
                    {part: scores.get("classes", {}).get(c, {}) for part, scores in found.items()},
                )
                for c in self.taxonomy.names
            }
        return result


def score_pairs(
    pairs: Iterable[Pair],
    protocol: str = "conic",
    taxonomy: Taxonomy | None = None,
    mpp: float | None = None,
    *,
    true_taxonomy: Taxonomy | None = None,
    pred_taxonomy: Taxonomy | None = None,
) -> Evaluation:
    """Score predicted nuclei against true ones.

    Parameters
    ----------
    pairs : iterable of Pair
        The images, one at a time; only counts are kept of each.
    protocol : {"conic", "hovernet", "pannuke", "qu", "stardist"}
        Metrics to compute, and their conventions.
    taxonomy : Taxonomy, optional
        Classes to score; without it nuclei are scored without class. Label maps that came without
        classes can be scored in a taxonomy of a single class, such as ``"nucleus"``: every
        nucleus is of that class.
    mpp : float, optional
        Micrometres per pixel, for ``"hovernet"``: it pairs centroids within 3 µm.
    true_taxonomy, pred_taxonomy : Taxonomy, optional
        What the classes of the truth and of the prediction mean, where that is not ``taxonomy``;
        they are mapped to it. Classes without counterpart become "unlabelled".

    Returns
    -------
    Evaluation
        ``["pq"]``, ``["classes"]``, ... and ``.intervals()``, ``.image_scores()``,
        ``.by_cohort()``, ``.difference(other)``; :func:`karyoscope.metrics.stored.to_json`.

    Raises
    ------
    KaryoscopeError
        If there is no image, one is damaged or lacks classes, or two have the same name.

    Examples
    --------
    >>> lizard = Taxonomy.load("lizard")
    >>> pair = Pair([[1, 1, 0, 2]], [[3, 3, 0, 0]], [0, 2, 3], [0, 0, 0, 2], name="a")
    >>> result = score_pairs([pair], "pannuke", lizard)
    >>> round(result["bpq"], 3), round(result["classes"]["epithelial"]["pq"], 3)
    (0.667, 1.0)
    """
    evaluation = Evaluation(protocol, taxonomy, mpp)
    names: set[str] = set()
    for pair in _in_taxonomy(pairs, taxonomy, true_taxonomy, pred_taxonomy):
        if pair.name in names:
            raise KaryoscopeError(f"two images are named {pair.name!r}; names must be distinct")
        names |= {pair.name} - {""}
        evaluation.add(pair)
    if not len(evaluation):
        raise KaryoscopeError("there are no images to score")
    return evaluation


def _in_taxonomy(
    pairs: Iterable[Pair],
    to: Taxonomy | None,
    true_taxonomy: Taxonomy | None,
    pred_taxonomy: Taxonomy | None,
) -> Iterator[Pair]:
    """Map the classes of pairs, where they are of other taxonomies than the one to score in."""
    tables = [
        of.lookup_to(to) if of and to and of.names != to.names else None
        for of in (true_taxonomy, pred_taxonomy)
    ]
    for pair in pairs:
        yield pair.mapped(*tables)
