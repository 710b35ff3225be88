"""What an evaluation protocol is: accumulators, and the names under which scores are reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.metrics.accumulate import Accumulator
from karyoscope.metrics.scores import Score


@dataclass(frozen=True)
class Reported:
    """A score of a metric, as a protocol reports it.

    Attributes
    ----------
    part : str
        Name of the accumulator among those of the protocol.
    key : str
        Name of the score in the results of that accumulator.
    score : Score
        What it declares, under the name that the protocol gives it.
    """

    part: str
    key: str
    score: Score


#: Name in the result -> the score, in the order in which scores are shown.
Names = Mapping[str, Reported]


@dataclass(frozen=True)
class ScoringProtocol:
    """One way to score a set of images.

    Attributes
    ----------
    name : str
        Name in the registry.
    repeats : str
        The publication or code whose figures it gives.
    needs_mpp : bool
        Whether lengths enter.
    build : callable
        ``(taxonomy or None, mpp or None) -> {name: accumulator}``, all empty.
    overall, classes : mapping of str to Reported
        What is reported of all nuclei and of each class, in the order in which it is shown; the
        main score of a class comes first. Names that an accumulator does not give (scores of
        classes, where there are none) are left out. See :func:`report_set`.
    set_only : frozenset of str
        Reported of the set, but meaningless for one image.
    headlines : tuple of str
        Names of the scores that are shown first, and by which groups are compared. Empty for all
        that are listed.
    patches : int
        Side, in pixels, of the patches that the figures of the protocol are defined on; 0 for
        whole images.
    """

    name: str
    repeats: str
    needs_mpp: bool
    build: Callable[[Taxonomy | None, float | None], dict[str, Accumulator]]
    overall: Names
    classes: Names = field(default_factory=dict)
    set_only: frozenset[str] = frozenset()
    headlines: tuple[str, ...] = ()
    patches: int = 0

    def __post_init__(self) -> None:
        for name in self.headlines:
            if name not in self.overall:
                raise KaryoscopeError(
                    f"protocol {self.name!r}: headline {name!r} is not a score of `overall`;"
                    f" there are {', '.join(self.overall) or 'none'}"
                )

    def listed(self, given: Mapping[str, object]) -> Iterator[Score]:
        """Scores of all nuclei that are displayed, among those in a result."""
        return (r.score for name, r in self.overall.items() if r.score.listed and name in given)

    def listed_of_class(self, given: Mapping[str, object]) -> Iterator[Score]:
        """Scores of a class that are displayed, among those in a result."""
        return (r.score for name, r in self.classes.items() if r.score.listed and name in given)

    def main(self, given: Mapping[str, object]) -> list[Score]:
        """Scores that are displayed first, among those in a result."""
        return [s for s in self.listed(given) if not self.headlines or s.name in self.headlines]

    @property
    def takes_points(self) -> bool:
        """Whether a truth of points, without outlines, can be scored."""
        return any(part.takes_points for part in self.build(None, 1.0).values())


def report_set(
    part: str, metric: type[Accumulator], *names: str, **renamed: str | tuple[str, str]
) -> dict[str, Reported]:
    """Report scores of all nuclei, with what their metric declares of them.

    Parameters
    ----------
    part : str
        Name of the accumulator among those of the protocol.
    metric : type of Accumulator
        Declares the scores, as ``set_scores``.
    *names : str
        Scores that keep their name.
    **renamed : str or (str, str)
        Name in the result = name of the score, or that name and another title.

    Raises
    ------
    KaryoscopeError
        If the metric declares no such score; the message lists those that it declares.

    Examples
    --------
    >>> from karyoscope.metrics.dice_scores import DiceAccumulator
    >>> names = report_set("dice", DiceAccumulator, "dice", second=("dice2", "D2"))
    >>> [(r.key, r.score.name, r.score.title) for r in names.values()]
    [('dice', 'dice', 'Dice'), ('dice2', 'second', 'D2')]
    """
    return _report(part, metric, "set_scores", names, renamed)


def report_classes(
    part: str, metric: type[Accumulator], *names: str, **renamed: str | tuple[str, str]
) -> dict[str, Reported]:
    """Report scores of each class, which the metric declares as ``class_scores``.

    Parameters are those of :func:`report_set`.
    """
    return _report(part, metric, "class_scores", names, renamed)


def _report(
    part: str,
    metric: type[Accumulator],
    declared: Literal["set_scores", "class_scores"],
    names: tuple[str, ...],
    renamed: Mapping[str, str | tuple[str, str]],
) -> dict[str, Reported]:
    by_name = {score.name: score for score in getattr(metric, declared)}
    for key in (*names, *(what if isinstance(what, str) else what[0] for what in renamed.values())):
        if key not in by_name:
            raise KaryoscopeError(
                f"{metric.__name__}.{declared} has no score {key!r};"
                f" there are {', '.join(by_name) or 'none'}"
            )
    found = {name: Reported(part, name, by_name[name]) for name in names}
    for name, what in renamed.items():
        key, title = (what, by_name[what].title) if isinstance(what, str) else what
        found[name] = Reported(part, key, replace(by_name[key], name=name, title=title))
    return found
