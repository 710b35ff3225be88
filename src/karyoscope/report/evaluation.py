"""The page of an evaluation: scores, confusion matrix, counts, example tiles, conventions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from karyoscope.core.taxonomy import Taxonomy
from karyoscope.metrics import Score, ScoringProtocol, find_protocol
from karyoscope.report.figures import Bar, interval_figure, scatter_figure
from karyoscope.report.page import render
from karyoscope.report.tiles import Tile, draw_tile
from karyoscope.report.wording import (
    computed,
    convention_lines,
    direction,
    how_many,
    interval,
    number,
    of_groups,
    unit,
)

_ALL = (90, 98, 107)
_FEW_SOURCES = 10
_RIGHT, _WRONG = "21, 128, 94", "200, 80, 30"


@dataclass(frozen=True)
class EvaluationFigures:
    """What the page shows of the images.

    Attributes
    ----------
    counts : sequence of (str, ndarray, ndarray)
        Name of each image and its nuclei of each class, true and predicted; one number each
        where there are no classes.
    tiles : mapping of str to sequence of Tile
        Tiles to show, by kind, such as ``"worst"``.
    median : float
        Median PQ of all tiles; NaN where there are none.
    least_nuclei : int
        True nuclei that a tile must have to be shown.
    """

    counts: Sequence[tuple[str, np.ndarray, np.ndarray]]
    tiles: Mapping[str, Sequence[Tile]]
    median: float
    least_nuclei: int


def evaluation_page(data: Mapping[str, Any], figures: EvaluationFigures) -> str:
    """Lay the page of an evaluation out.

    Parameters
    ----------
    data : mapping
        Result of :meth:`karyoscope.evaluation.EvaluationResult.to_dict`.
    figures : EvaluationFigures
        What was collected while the images were scored.

    Returns
    -------
    str
        HTML.

    Raises
    ------
    KaryoscopeError
        If there is no protocol of that name.
    """
    taxonomy = Taxonomy.from_dict(data["taxonomy"]) if data["taxonomy"] else None
    protocol = find_protocol(data["protocol"])
    return render(
        "evaluation.html.j2",
        scored=data["scored"],
        protocol=protocol,
        how_many=how_many(data),
        unit=unit(data),
        warnings=_warnings(data["scored"]),
        cards=[_named(score, data, score.narrow) for score in protocol.main(data)],
        scores=[
            (*_named(score, data, score.title), direction(score), computed(score, data))
            for score in protocol.listed(data)
        ],
        by_class=_by_class(data, protocol, taxonomy, figures),
        confusion=_confusion(data),
        counts=_counts(taxonomy, figures),
        tiles=_tiles(taxonomy, figures),
        median=figures.median,
        least_nuclei=figures.least_nuclei,
        classes=[(c.name, c.color) for c in taxonomy.classes] if taxonomy else [],
        groups=_groups(data, protocol),
        conventions=list(convention_lines(data)),
    )


def _warnings(scored: Mapping[str, Any]) -> list[str]:
    lines = [*scored["notes"], *(f"Not scored: {line}" for line in scored["problems"])]
    if scored["sources"] < _FEW_SOURCES:
        lines.append(
            f"The intervals rest on {scored['sources']} sources and are rough: bootstrap intervals"
            " of few sources are too narrow."
        )
    return lines


def _named(score: Score, data: Mapping[str, Any], title: str) -> tuple[str, str, str]:
    """Title, value and interval of a score."""
    bounds = data["intervals"].get(score.name)
    value = number(data[score.name], places=score.digits)
    return title, value, interval(bounds, places=score.digits)


def _by_class(
    data: Mapping[str, Any],
    protocol: ScoringProtocol,
    taxonomy: Taxonomy | None,
    figures: EvaluationFigures,
) -> dict[str, Any] | None:
    """Figure of one score: of all nuclei, where there is the same score, and of each class."""
    classes = data.get("classes") or {}
    of_class: Mapping[str, Any] = next(iter(classes.values()), {})
    score = next((s for s in protocol.listed_of_class(of_class) if not s.is_count), None)
    overall = {s.name: s for s in protocol.listed(data)}
    score = score or next(iter(overall.values()), None)
    if score is None:
        return None
    bars, whole = [], overall.get(score.name)
    if whole is not None:
        bars.append(_bar("all nuclei", data, data["intervals"], score.name, _ALL))
    totals = _totals(figures)
    for k, c in enumerate(taxonomy.classes if taxonomy and of_class else ()):
        remark = f"{totals[0][k]:,} true" if totals else ""
        intervals = data["intervals"]["classes"][c.name]
        bars.append(_bar(c.name, classes[c.name], intervals, score.name, c.color, remark))
    title = f"{score.title} of each class with its 95 % interval"
    return {
        "title": score.title,
        "figure": interval_figure(bars, title, score.range, score.digits),
        "all_nuclei": computed(whole, data) if whole else "",
        "of_class": computed(score, data) if of_class else "",
    }


def _bar(
    label: str,
    scores: Mapping[str, Any],
    intervals: Mapping[str, Any],
    name: str,
    color: tuple[int, int, int],
    remark: str = "",
) -> Bar:
    low, high = (_finite(bound) for bound in intervals.get(name) or (None, None))
    return Bar(label, _finite(scores.get(name)), low, high, color, remark)


def _finite(value: Any) -> float | None:
    """A number that can be drawn; infinite ones are text in plain data."""
    return None if isinstance(value, str) else value


def _confusion(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Names of the columns, and rows of (name, cells), each (count, share, colour)."""
    matrix = data.get("confusion")
    if not matrix:
        return None
    counts = np.array(matrix["counts"])
    # "Unlabelled" is a class only where there are such nuclei.
    rows = [i for i, name in enumerate(matrix["true"]) if name != "unlabelled" or counts[i].any()]
    columns = [
        j for j, name in enumerate(matrix["pred"]) if name != "unlabelled" or counts[:, j].any()
    ]
    body = []
    for i in rows:
        shares = counts[i] / max(counts[i].sum(), 1)
        cells = [
            (int(counts[i, j]), float(shares[j]), _RIGHT if i == j else _WRONG) for j in columns
        ]
        body.append((matrix["true"][i], cells))
    return {
        "columns": [matrix["pred"][j] for j in columns],
        "rows": body,
        "pairing": matrix.get("pairing", ""),
    }


def _counts(
    taxonomy: Taxonomy | None, figures: EvaluationFigures
) -> list[tuple[str, int, int, Any]]:
    """Name, true and predicted nuclei and figure of each class."""
    totals = _totals(figures)
    if totals is None:
        return []
    names = [(c.name, c.color) for c in taxonomy.classes] if taxonomy else [("nuclei", _ALL)]
    true = np.array([t for _, t, _ in figures.counts])
    pred = np.array([p for *_, p in figures.counts])
    return [
        (
            name,
            int(totals[0][k]),
            int(totals[1][k]),
            scatter_figure(true[:, k], pred[:, k], color, f"Counts of {name}"),
        )
        for k, (name, color) in enumerate(names)
    ]


def _totals(figures: EvaluationFigures) -> tuple[np.ndarray, np.ndarray] | None:
    if not figures.counts:
        return None
    _, true, pred = zip(*figures.counts, strict=True)
    return np.sum(true, axis=0), np.sum(pred, axis=0)


def _tiles(
    taxonomy: Taxonomy | None, figures: EvaluationFigures
) -> list[tuple[str, list[tuple[Tile, np.ndarray, np.ndarray]]]]:
    """Tiles of each kind with their two pictures, kinds without tiles left out."""
    return [
        (kind, [(tile, *draw_tile(tile, taxonomy)) for tile in tiles])
        for kind, tiles in figures.tiles.items()
        if tiles
    ]


def _groups(data: Mapping[str, Any], protocol: ScoringProtocol) -> dict[str, Any] | None:
    groups = data.get("groups")
    if not groups:
        return None
    columns = of_groups(protocol, groups)
    rows = [
        (name or "-", scores["images"], [number(scores[s.name], places=s.digits) for s in columns])
        for name, scores in groups["scores"].items()
    ]
    return {"by": groups["by"], "columns": [s.title for s in columns], "rows": rows}
