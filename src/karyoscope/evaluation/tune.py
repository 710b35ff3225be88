"""Search the parameters of a post-processing on validation images (bern, section II.G).

The network runs once; its maps are kept, and only the post-processing is repeated. Parameters
are searched one after the other, each over a short list of values, round after round while the
score rises. Never run this on the images that the result is reported on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from karyoscope.datasets import Sample
from karyoscope.errors import KaryoscopeError
from karyoscope.inference import Maps
from karyoscope.metrics import Pair, PanopticAccumulator
from karyoscope.nuclei import Nuclei
from karyoscope.postprocessing import postprocess
from karyoscope.taxonomy import Taxonomy

Params = dict[str, Any]

#: Name of a parameter -> values to try for all classes at once, in the order of the search.
SHARED: dict[str, Sequence[float]] = {
    "foreground": (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6),
    "seed": (0.3, 0.4, 0.5, 0.6, 0.7),
    "min_area_um2": (2.0, 4.0, 6.0, 8.0),
    "min_solidity": (0.0, 0.7, 0.8),
}
#: Likewise, but for each class alone.
BY_CLASS: dict[str, Sequence[float]] = {
    "class_weights": (0.35, 0.5, 0.7, 0.85, 1.0, 1.2, 1.4, 2.0, 2.8),
    "min_area_um2": (2.0, 4.0, 6.0, 8.0, 10.0, 14.0),
    "seed": (0.3, 0.4, 0.5, 0.6, 0.7),
}


@dataclass(frozen=True)
class Predicted:
    """A validation image with the maps of the network."""

    sample: Sample
    maps: Maps


@dataclass
class Tuning:
    """Outcome of a search.

    Attributes
    ----------
    params : dict
        The best parameters.
    score : float
        Their score.
    history : list of (dict, float)
        Every set that was tried.
    """

    params: Params
    score: float
    history: list[tuple[Params, float]] = field(default_factory=list)


def evaluate_params(
    images: Iterable[Predicted], name: str, params: Params, taxonomy: Taxonomy
) -> PanopticAccumulator:
    """Panoptic quality of one set of parameters, CoNIC's conventions, on whole images."""
    scores = PanopticAccumulator(taxonomy)
    for image in images:
        sample = image.sample
        nuclei = postprocess(name, image.maps, params, taxonomy, sample.mpp)
        scores.add(pair_of(sample, nuclei))
    return scores


def pair_of(sample: Sample, nuclei: Nuclei) -> Pair:
    """True and predicted label maps of one image; the nuclei are in its pixels."""
    height, width = sample.inst_map.shape
    nuclei = nuclei.renumber()
    predicted = nuclei.label_image(width, height).astype(np.int32)
    return Pair(
        sample.inst_map,
        predicted,
        sample.classes,
        np.concatenate([[0], nuclei.class_id]),
        name=sample.record.name,
        source=sample.record.source,
        cohort=sample.record.cohort,
        ignore=sample.ignore,
    )


def tune(
    score: Callable[[Params], float],
    start: Params,
    taxonomy: Taxonomy,
    rounds: int = 2,
    by_class: Sequence[str] = ("class_weights",),
    watch: Callable[[Params, float], None] = lambda params, score: None,
) -> Tuning:
    """Coordinate search from a starting point.

    Parameters
    ----------
    score : callable
        Of a set of parameters; higher is better.
    start : dict
        Parameters to start from.
    taxonomy : Taxonomy
        For the parameters that differ between classes.
    rounds : int
        Most passes over all parameters.
    by_class : sequence of str
        Keys of :data:`BY_CLASS`: what may differ between classes. The more, the more is fitted to
        few nuclei of rare classes: on two halves of 18 images of Lizard, thresholds and areas by
        class gained more mPQ+ on their own half and less on the other than weights alone.
    watch : callable
        Called with each set tried and its score.

    Returns
    -------
    Tuning
    """
    if rounds < 1:
        raise KaryoscopeError("tuning takes one round at least")
    best = Tuning(dict(start), score(start))

    def attempt(params: Params) -> None:
        value = score(params)
        best.history.append((params, value))
        watch(params, value)
        if value > best.score:
            best.params, best.score = params, value

    for _ in range(rounds):
        before = best.score
        for name, values in SHARED.items():
            if not isinstance(best.params.get(name), dict):
                for value in values:
                    if value != best.params.get(name):
                        attempt(best.params | {name: value})
        for name in by_class:
            for class_name in taxonomy.names:
                for value in BY_CLASS[name]:
                    spread = _by_class(best.params.get(name), name, taxonomy)
                    if value != spread[class_name]:
                        attempt(best.params | {name: spread | {class_name: value}})
        if best.score <= before:
            break
    return best


def _by_class(value: Any, name: str, taxonomy: Taxonomy) -> dict[str, float]:
    """A parameter as one value a class."""
    if isinstance(value, dict):
        return {c: value.get(c, 1.0) for c in taxonomy.names}
    neutral = 1.0 if name == "class_weights" or value is None else float(value)
    return dict.fromkeys(taxonomy.names, neutral)
