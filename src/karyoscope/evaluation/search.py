"""Search the parameters of a post-processing on validation images (bern, section II.G).

The network runs once; its maps are kept, and only the post-processing is repeated. Parameters
are searched one after the other, each over a short list of values, round after round while the
score rises. Never run this on the images that the result is reported on; how much of the gain is
the overfitting of the search is what :func:`cross_check` measures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.evaluation.objectives import Predicted, evaluate_params, pair_of
from karyoscope.evaluation.search_space import Axis, Params

__all__ = [
    "CrossCheck",
    "Predicted",
    "Tuning",
    "cross_check",
    "evaluate_params",
    "halves",
    "pair_of",
    "tune",
]

Watch = Callable[[Params, float], None]


@dataclass
class Tuning:
    """Result of a search of parameters.

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


def tune(
    score: Callable[[Params], float],
    start: Params,
    space: Sequence[Axis],
    rounds: int = 2,
    watch: Watch = lambda params, score: None,
) -> Tuning:
    """Coordinate search from a starting point.

    Parameters
    ----------
    score : callable
        Score of a set of parameters; higher is better.
    start : dict
        Parameters to start from.
    space : sequence of Axis
        Result of :func:`karyoscope.evaluation.search_space.search_space`.
    rounds : int
        Most passes over all parameters.
    watch : callable
        Called with each set tried and its score.

    Returns
    -------
    Tuning

    Raises
    ------
    KaryoscopeError
        If there is no round, or the start has no score.
    """
    if rounds < 1:
        raise KaryoscopeError("tuning takes one round at least")
    best = Tuning(dict(start), score(start))
    if not np.isfinite(best.score):
        raise KaryoscopeError("the images give no score to tune by: there are too few of them")
    for _ in range(rounds):
        before = best.score
        for axis in space:
            for value in axis.values:
                params = axis.apply(best.params, value)
                if params is None:
                    continue
                found = score(params)
                best.history.append((params, found))
                watch(params, found)
                if found > best.score:
                    best.params, best.score = params, found
        if best.score <= before:
            break
    return best


@dataclass(frozen=True)
class CrossCheck:
    """Scores of each half of the images after tuning on the other half.

    Attributes
    ----------
    own : tuple of (float, float)
        For each half: score before and after, on the images that were tuned on.
    other : tuple of (float, float)
        Likewise, on the images that were not.
    params : tuple of dict
        What each half chose.
    """

    own: tuple[tuple[float, float], tuple[float, float]]
    other: tuple[tuple[float, float], tuple[float, float]]
    params: tuple[Params, Params]

    @property
    def gain(self) -> float:
        """Mean gain on the half that was not tuned on, the unbiased gain of tuning."""
        return float(np.mean([after - before for before, after in self.other]))

    @property
    def own_gain(self) -> float:
        """Mean gain on the half that was tuned on, which overestimates the gain of tuning."""
        return float(np.mean([after - before for before, after in self.own]))

    def to_dict(self) -> dict[str, Any]:
        """Return gains, scores and parameters as plain data."""
        return {
            "gain": self.gain,
            "own_gain": self.own_gain,
            "own": self.own,
            "other": self.other,
            "params": self.params,
        }


def cross_check(
    images: Sequence[Predicted],
    score: Callable[[Sequence[Predicted], Params], float],
    start: Params,
    space: Sequence[Axis],
    rounds: int = 2,
    watch: Watch = lambda params, score: None,
) -> CrossCheck:
    """Tune on one half of the images, score the other half, and the reverse.

    Parameters
    ----------
    images : sequence of Predicted
        Images of two sources at least; see :func:`halves`.
    score : callable
        Score of a set of parameters on some images; higher is better.
    start, space, rounds, watch
        See :func:`tune`.

    Raises
    ------
    KaryoscopeError
        If there are too few images.
    """
    own, other, params = [], [], []
    first, second = halves(images)
    for here, there in ((first, second), (second, first)):
        found = tune(lambda p, half=here: score(half, p), start, space, rounds, watch)  # type: ignore[misc]
        own.append((score(here, start), found.score))
        other.append((score(there, start), score(there, found.params)))
        params.append(found.params)
    return CrossCheck((own[0], own[1]), (other[0], other[1]), (params[0], params[1]))


def halves(images: Sequence[Predicted]) -> tuple[list[Predicted], list[Predicted]]:
    """Divide images into two halves, deterministically, by source, with cohorts balanced.

    Raises
    ------
    KaryoscopeError
        If all are of one source.
    """
    sources = sorted({(i.sample.record.cohort, i.sample.record.source) for i in images})
    if len(sources) < 2:
        raise KaryoscopeError("a cross-check needs validation images of two sources at least")
    chosen = set(sources[::2])
    parts: tuple[list[Predicted], list[Predicted]] = ([], [])
    for image in images:
        record = image.sample.record
        parts[(record.cohort, record.source) not in chosen].append(image)
    return parts
