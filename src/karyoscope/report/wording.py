"""Numbers and conventions of evaluations in words: what terminal tables and pages share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from karyoscope.metrics import Score, ScoringProtocol


def number(value: Any, signed: bool = False, places: int = 3) -> str:
    """A score as text; a dash where it is undefined.

    Examples
    --------
    >>> number(0.12345), number(0.1, signed=True), number(None), number("inf")
    ('0.123', '+0.100', '-', 'inf')
    """
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    return f"{value:{'+' if signed else ''}.{places}f}"


def interval(bounds: Any, signed: bool = False, places: int = 3) -> str:
    """An interval as text; a dash where it is undefined, as for a single source."""
    if not bounds or None in bounds:
        return "-"
    return " to ".join(number(bound, signed, places) for bound in bounds)


def unit(data: Mapping[str, Any]) -> str:
    """What counts as one image: patches or images."""
    return "patches" if data["scored"]["patches"] else "images"


def computed(score: Score, data: Mapping[str, Any]) -> str:
    """Definition of a score, and what it is averaged over.

    Examples
    --------
    >>> computed(Score("pq", "PQ", "images"), {"scored": {"patches": 256}})
    'mean over patches'
    >>> computed(Score("f_d", "F_d", "", "paired by distance"), {"scored": {"patches": 0}})
    'paired by distance, from the counts of the whole set'
    """
    how = "from the counts of the whole set"
    if score.mean_over:
        how = "mean over " + score.mean_over.replace("images", unit(data))
    return f"{score.definition}, {how}" if score.definition else how


def direction(score: Score) -> str:
    """Whether a score is better when higher or lower, as text; empty for a count."""
    return "" if score.is_count else "higher" if score.higher_is_better else "lower"


def how_many(data: Mapping[str, Any]) -> str:
    """How many images were scored."""
    images = data["scored"]["images"]
    if data["images"] == images:
        return f"{images} images"
    return f"{images} images as {data['images']} patches"


def convention_lines(data: Mapping[str, Any]) -> Iterator[str]:
    """Every convention that was used, a line each."""
    yield f"protocol: {data['protocol']} ({data['repeats']})"
    for part, rules in data["conventions"].items():
        for name, rule in rules.items():
            yield f"{part if part != 'set' else 'scored'}, {name}: {rule}"
    sources = data["scored"]["sources"]
    yield f"intervals: 95 %, bootstrap over {sources} sources, 1000 samples"


def of_groups(protocol: ScoringProtocol, groups: Mapping[str, Any]) -> list[Score]:
    """Scores by which groups are compared."""
    return protocol.main(next(iter(groups["scores"].values())))
