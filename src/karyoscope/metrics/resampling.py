"""Bootstrap intervals over source images, of one run or of the difference between two.

Nuclei of one slide are alike, so sources are drawn, not nuclei and not patches. Only sums of
counts are resampled: a thousand samples of five thousand images take about a second.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.metrics.accumulate import Accumulator, Scores


def bootstrap(
    accumulator: Accumulator, *, samples: int = 1000, level: float = 0.95, seed: int = 0
) -> dict[str, Any]:
    """Percentile intervals of every score of an accumulator.

    Parameters
    ----------
    accumulator : Accumulator
        Images with their sources.
    samples : int
        Bootstrap samples; each draws as many sources as there are, with replacement.
    level : float
        Share of the samples inside the interval.
    seed : int
        Seed of the draw. Accumulators of the same images draw the same samples.

    Returns
    -------
    dict
        ``(low, high)`` by name, and ``classes`` by name. NaN bounds where there are fewer than
        two sources or a score is undefined in all samples.

    Examples
    --------
    >>> from karyoscope.metrics.dice_scores import DiceAccumulator
    >>> scores = DiceAccumulator()
    >>> for shift in (0, 1):
    ...     scores.update([[1, 1, 0]], np.roll([[1, 1, 0]], shift), name=str(shift))
    >>> bootstrap(scores, samples=50)["dice"]
    (0.5, 1.0)
    """
    drawn = _draw(accumulator, accumulator.sources, samples, seed)
    return _by_name(drawn, accumulator.class_names, lambda values: _interval(values, level))


def bootstrap_difference(
    first: Accumulator,
    second: Accumulator,
    *,
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    without_classes: Collection[str] | None = None,
) -> dict[str, Any]:
    """Difference of two runs on the same images (second less first), with paired intervals.

    Both runs are scored on the same resampled sources, so what varies between images alike for
    both cancels out.

    Parameters
    ----------
    first, second : Accumulator
        Two runs, scored by the same metric.
    samples, level, seed : int, float, int
        See :func:`bootstrap`.
    without_classes : collection of str, optional
        Names of scores of all nuclei that do not depend on the classes. These alone are then
        compared, and the two runs may be scored with different classes.

    Returns
    -------
    dict
        Keys are names of scores, with values ``{"difference", "low", "high"}``; ``classes`` holds
        the same for each class, by its name.

    Raises
    ------
    KaryoscopeError
        If the runs are not of the same images and conventions, or not of the same classes where
        the scores depend on these.
    """
    if type(first) is not type(second):
        raise KaryoscopeError("the two runs were not scored by the same metric")
    if without_classes is None and first.class_names != second.class_names:
        raise KaryoscopeError(
            "the two runs were not scored by the same metric and classes: one has"
            f" {_listed(first.class_names)}, the other {_listed(second.class_names)}"
        )
    if first.conventions != second.conventions:
        raise KaryoscopeError("the two runs were scored by different conventions")
    place = {name: i for i, name in enumerate(second.names)}
    lacking = sorted(set(first.names) ^ set(second.names))
    if lacking or len(place) != len(second.names) or len(first) != len(second):
        example = f", such as {lacking[0]!r}" if lacking else ""
        raise KaryoscopeError(f"the two runs were not scored on the same images{example}")
    second = second.take([place[name] for name in first.names])
    drawn = [_draw(run, first.sources, samples, seed) for run in (first, second)]
    whole = [run.scores() for run in (first, second)]
    if without_classes is not None:
        drawn, whole = ([_some(of, without_classes) for of in both] for both in (drawn, whole))
    difference = _subtract(drawn[1], drawn[0])
    at_once = _subtract(whole[1], whole[0]).as_dict(first.class_names)

    def paired(values: np.ndarray) -> dict[str, float]:
        low, high = _interval(values, level)
        return {"low": low, "high": high}

    result = _by_name(difference, first.class_names, paired)
    for name, value in at_once.items():
        if name == "classes":
            for of_class, metrics in value.items():
                for metric, number in metrics.items():
                    result["classes"][of_class][metric]["difference"] = number
        else:
            result[name]["difference"] = value
    return result


def _draw(accumulator: Accumulator, sources: list[str], samples: int, seed: int) -> Scores:
    """Scores of every bootstrap sample: arrays of shape (samples, ...)."""
    if not sources:
        raise KaryoscopeError("there are no images to resample")
    _, member = np.unique(np.array(sources), return_inverse=True)
    groups = int(member.max()) + 1
    rng = np.random.default_rng(seed)
    times = rng.multinomial(groups, np.full(groups, 1 / groups), samples).astype(np.float64)
    sums = {}
    for name, term in accumulator.terms(accumulator.counts).items():
        flat = term.reshape(len(sources), -1)
        by_source = np.zeros((groups, flat.shape[1]))
        np.add.at(by_source, member, flat)
        sums[name] = (times @ by_source).reshape(samples, *term.shape[1:])
    scores = accumulator.score(sums)
    if groups > 1:
        return scores
    undefined = np.full(samples, np.nan)
    return Scores(
        dict.fromkeys(scores.overall, undefined),
        {name: np.full(value.shape, np.nan) for name, value in scores.classes.items()},
    )


def _some(scores: Scores, names: Collection[str]) -> Scores:
    """Leave only some scores of all nuclei, and none of classes."""
    return Scores({name: value for name, value in scores.overall.items() if name in names})


def _listed(class_names: tuple[str, ...]) -> str:
    return f"the classes {', '.join(class_names)}" if class_names else "no classes"


def _subtract(second: Scores, first: Scores) -> Scores:
    with np.errstate(invalid="ignore"):  # inf - inf is undefined, rightly NaN
        return Scores(
            {name: second.overall[name] - first.overall[name] for name in first.overall},
            {name: second.classes[name] - first.classes[name] for name in first.classes},
        )


def _by_name(drawn: Scores, class_names: tuple[str, ...], summary: Any) -> dict[str, Any]:
    result: dict[str, Any] = {name: summary(values) for name, values in drawn.overall.items()}
    if class_names and drawn.classes:
        result["classes"] = {
            name: {metric: summary(values[:, k]) for metric, values in drawn.classes.items()}
            for k, name in enumerate(class_names)
        }
    return result


def _interval(values: np.ndarray, level: float) -> tuple[float, float]:
    """Percentiles by nearest rank, which also holds where some samples are infinite."""
    defined = np.sort(values[~np.isnan(values)])
    if not len(defined):
        return (np.nan, np.nan)
    low, high = (1 - level) / 2, (1 + level) / 2
    ranks = np.rint(np.array([low, high]) * (len(defined) - 1)).astype(int)
    return float(defined[ranks[0]]), float(defined[ranks[1]])
