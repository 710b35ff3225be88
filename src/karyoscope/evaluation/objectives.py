"""What ``karyoscope tune`` raises: scores of one set of parameters on validation images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Sample
from karyoscope.evaluation.patches import SIZE, cut
from karyoscope.evaluation.search_space import Params
from karyoscope.inference import Maps
from karyoscope.metrics import CompositionAccumulator, Pair, PanopticAccumulator
from karyoscope.metrics.accumulate import Accumulator
from karyoscope.postprocessing import postprocess


@dataclass(frozen=True)
class Predicted:
    """A validation image with the maps of the network."""

    sample: Sample
    maps: Maps


Score = Callable[[Sequence[Predicted], str, Params, Taxonomy], float]


@dataclass(frozen=True)
class Objective:
    """A score to maximise, and the parameters that it tunes.

    Attributes
    ----------
    key : {"postprocessing", "counting"}
        The set of parameters of the bundle.
    score : callable
        ``score(images, method, params, taxonomy)``; higher is better.
    accumulate : callable
        Likewise; the scores that go into the card.
    """

    key: str
    score: Score
    accumulate: Callable[[Sequence[Predicted], str, Params, Taxonomy], Accumulator]


def evaluate_params(
    images: Iterable[Predicted], name: str, params: Params, taxonomy: Taxonomy
) -> PanopticAccumulator:
    """Panoptic quality of one set of parameters, CoNIC's conventions, on whole images.

    Images whose classes are not those of the model are scored without classes.
    """
    images = list(images)
    classed = all(image.sample.taxonomy.names == taxonomy.names for image in images)
    scores = PanopticAccumulator(taxonomy if classed else None)
    for image in images:
        scores.add(pair_of(image.sample, _nuclei(image, name, params, taxonomy)))
    return scores


def count_params(
    images: Iterable[Predicted], name: str, params: Params, taxonomy: Taxonomy
) -> CompositionAccumulator:
    """Counts of nuclei with one set of parameters, in the central 224 px of patches of 256 px."""
    scores = CompositionAccumulator(taxonomy)
    for image in images:
        pair = pair_of(image.sample, _nuclei(image, name, params, taxonomy))
        for patch in _patches(pair, image.sample):
            scores.add(patch)
    return scores


def pair_of(sample: Sample, nuclei: Nuclei) -> Pair:
    """True and predicted label maps of one image; the nuclei are in its pixels."""
    height, width = sample.inst_map.shape
    predicted, classes = nuclei.labels_and_classes(width, height)
    return Pair(
        sample.inst_map,
        predicted,
        sample.classes,
        classes,
        name=sample.record.name,
        source=sample.record.source,
        cohort=sample.record.cohort,
        ignore=sample.ignore,
        points=None if sample.inst_map.any() else sample.points,
    )


def _nuclei(image: Predicted, name: str, params: Params, taxonomy: Taxonomy) -> Nuclei:
    return postprocess(name, image.maps, params, taxonomy, image.sample.mpp)


def _patches(pair: Pair, sample: Sample) -> Iterator[Pair]:
    """The image as evaluation scores it."""
    if pair.true.shape == (SIZE, SIZE):
        yield pair
        return
    maps: dict[str, np.ndarray | None] = {"true": pair.true, "pred": pair.pred}
    for number, (_, parts) in enumerate(cut(maps, *pair.true.shape)):
        yield Pair(
            parts["true"],  # type: ignore[arg-type]
            parts["pred"],  # type: ignore[arg-type]
            pair.true_classes,
            pair.pred_classes,
            name=f"{sample.record.name}-{number:04d}",
            source=sample.record.source,
        )


def _panoptic(*names: str) -> Score:
    def score(
        images: Sequence[Predicted], method: str, params: Params, taxonomy: Taxonomy
    ) -> float:
        found = evaluate_params(images, method, params, taxonomy).compute()
        return sum(float(found[name]) for name in names) / len(names)

    return score


def _composition(
    images: Sequence[Predicted], method: str, params: Params, taxonomy: Taxonomy
) -> float:
    return float(count_params(images, method, params, taxonomy).compute()["r2"])


#: ``--score`` by name.
SCORES: dict[str, Objective] = {
    "mean": Objective("postprocessing", _panoptic("mpq_plus", "pq"), evaluate_params),
    "mpq_plus": Objective("postprocessing", _panoptic("mpq_plus"), evaluate_params),
    "pq": Objective("postprocessing", _panoptic("pq"), evaluate_params),
    "r2": Objective("counting", _composition, count_params),
}
