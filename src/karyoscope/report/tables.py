"""Evaluations and comparisons as tables for the terminal.

Which scores there are, in which order, under which titles and with how many decimals is declared
by the protocol; see :class:`karyoscope.metrics.Score`.
"""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from karyoscope.core.text import for_markup
from karyoscope.metrics import Score, ScoringProtocol, find_protocol
from karyoscope.report.wording import (
    convention_lines,
    how_many,
    interval,
    number,
    of_groups,
    unit,
)


def evaluation_table(data: dict[str, Any]) -> RenderableType:
    """Render the plain data of an evaluation.

    Parameters
    ----------
    data : dict
        Result of :meth:`karyoscope.evaluation.EvaluationResult.to_dict`.

    Returns
    -------
    rich renderable
        Scores with intervals, scores of classes, groups, conventions.

    Raises
    ------
    KaryoscopeError
        If there is no protocol of that name.
    """
    scored, protocol = data["scored"], find_protocol(data["protocol"])
    parts: list[RenderableType] = [
        Text(f"{scored['predictions']}\nagainst {scored['truth']}: {how_many(data)}"),
        _overall(data, protocol),
    ]
    if data.get("classes"):
        parts.append(_classes(data, protocol))
    if "groups" in data:
        parts.append(_groups(data, protocol))
    parts.append(Text("Conventions", style="bold"))
    parts += [Padding(Text(line, style="dim"), (0, 0, 0, 2)) for line in convention_lines(data)]
    return Group(*parts)


def comparison_table(data: dict[str, Any]) -> RenderableType:
    """Render the plain data of a comparison; differences that exclude 0 are bold.

    Parameters
    ----------
    data : dict
        Result of :meth:`karyoscope.evaluation.Comparison.to_dict`.
    """
    protocol = find_protocol(data["protocol"])
    title = f"protocol {data['protocol']}, {data['images']} images"
    table = _table(title, "score", "A", "B", "B - A", "95 % interval", "better")
    for score in protocol.listed(data):
        _add_difference(table, score, score.title, data[score.name])
    for class_name, of_class in (data.get("classes") or {}).items():
        table.add_section()
        for score in protocol.listed_of_class(of_class):
            if not score.is_count:
                title = f"{class_name} {score.title}"
                _add_difference(table, score, title, of_class[score.name])
    return table


def _overall(data: dict[str, Any], protocol: ScoringProtocol) -> Table:
    table = _table(f"protocol {data['protocol']}", "score", "value", "95 % interval")
    for score in protocol.listed(data):
        bounds = interval(data["intervals"].get(score.name), places=score.digits)
        table.add_row(score.title, number(data[score.name], places=score.digits), bounds)
    return table


def _classes(data: dict[str, Any], protocol: ScoringProtocol) -> Table:
    scores = list(protocol.listed_of_class(next(iter(data["classes"].values()))))
    main = next((score for score in scores if not score.is_count), scores[0])
    others = [s for s in scores if s is not main and not s.is_count]
    counts = [s for s in scores if s is not main and s.is_count]
    table = _table(
        "by class",
        *("class", main.title, "95 % interval"),
        *(score.narrow for score in (*others, *counts)),
    )
    for name, of_class in data["classes"].items():
        bounds = data["intervals"]["classes"][name].get(main.name)
        table.add_row(
            for_markup(name),
            number(of_class[main.name], places=main.digits),
            interval(bounds, places=max(main.digits - 1, 0)),
            *(number(of_class[score.name], places=score.digits) for score in others),
            *(f"{of_class[score.name]:,.0f}" for score in counts),
        )
    return table


def _groups(data: dict[str, Any], protocol: ScoringProtocol) -> Table:
    groups = data["groups"]
    columns = of_groups(protocol, groups)
    table = _table(
        f"by {groups['by']}", groups["by"], unit(data), *(score.narrow for score in columns)
    )
    for name, scores in groups["scores"].items():
        values = (number(scores[score.name], places=score.digits) for score in columns)
        table.add_row(for_markup(name) or "-", str(scores["images"]), *values)
    return table


def _table(title: str, first: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column(first)
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def _add_difference(table: Table, score: Score, title: str, row: dict[str, Any]) -> None:
    bounds = [row["low"], row["high"]]
    low, high = (b if isinstance(b, float) else 0.0 for b in bounds)
    excludes_zero = low > 0 or high < 0
    better = ""
    if excludes_zero and not score.is_count:
        better = "B" if (low > 0) == bool(score.higher_is_better) else "A"
    table.add_row(
        title,
        *(number(row[of], places=score.digits) for of in ("first", "second")),
        number(row["difference"], True, score.digits),
        interval(bounds, True, score.digits),
        better,
        style="bold" if excludes_zero else None,
    )
