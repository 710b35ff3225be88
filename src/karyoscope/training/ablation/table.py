"""The table of an ablation, as papers print it: a row a configuration."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, NamedTuple

from karyoscope.training.ablation.columns import (
    COSTS,
    Line,
    as_printed,
    class_cells,
    classes_in,
    columns_for,
    cost_cells,
    lines_of,
    score_cells,
)
from karyoscope.training.ablation.runs import Ablation

#: Columns of a terminal, and scores that are printed however long the names of rows are.
_WIDTH, _SCORES = 80, 3


class NarrowTable(NamedTuple):
    """The rows that one protocol scored, and columns of them that fit a terminal."""

    protocol: str
    headings: list[str]
    rows: list[list[str]]


def table_of(ablation: Ablation) -> tuple[list[str], list[list[str]]]:
    """Headings and cells, a row of the grid a row.

    Where a row was trained several times (seeds, cohorts left out in turn) there is one row for
    each cohort and one for the mean over all with the standard deviation. Where it was scored on
    several sets there is one row for each. A column for the published scores stands beside ours
    where the grid has them.
    """
    lines = lines_of(ablation)
    columns, classes = columns_for(lines), classes_in(lines)
    published = ["published"] if _has_published(ablation) else []
    headings = ["row", *columns, *classes, *published, *COSTS, "corresponds to"]
    rows = []
    for line in lines:
        said = ", ".join(f"{k} {as_printed(k, v)}" for k, v in line.published.items())
        beside = [said] if published else []
        scores = [*score_cells(line, columns), *class_cells(line, classes)]
        rows.append([line.name, *scores, *beside, *cost_cells(line), line.corresponds_to])
    return headings, rows


def narrow_tables(ablation: Ablation) -> list[NarrowTable]:
    """Parts of :func:`table_of` that fit a terminal: rows, scores, speed of training.

    Each protocol has a table, since a row is scored by one and has no scores of another.
    Standard deviations and published scores have lines of their own below those of their row.
    Where names of rows are long, the last scores are left out.
    """
    lines = lines_of(ablation)
    protocols = dict.fromkeys(line.protocol for line in lines)
    return [_narrow(name, [line for line in lines if line.protocol == name]) for name in protocols]


def _narrow(protocol: str, lines: list[Line]) -> NarrowTable:
    columns = columns_for(lines)
    rows = []
    for line in lines:
        scores = [cell.partition(" ± ") for cell in score_cells(line, columns)]
        rows.append([line.name, *(mean for mean, _, _ in scores), cost_cells(line)[0]])
        if any(deviation for _, _, deviation in scores):
            rows.append(["  ±", *(deviation for _, _, deviation in scores), ""])
        said = [
            as_printed(k, line.published[k]).partition(" ± ") if k in line.published else ("",) * 3
            for k in columns
        ]
        if any(mean for mean, _, _ in said):
            rows.append(["  published", *(mean for mean, _, _ in said), ""])
        if any(deviation for _, _, deviation in said):
            rows.append(["  published ±", *(deviation for _, _, deviation in said), ""])
    return _fitted(NarrowTable(protocol, ["row", *columns, COSTS[0]], rows))


def _fitted(table: NarrowTable) -> NarrowTable:
    """A table without its last scores where the longest word of a name would else be cut."""
    headings, rows = table.headings, table.rows
    words = [len(word) for row in rows for word in row[0].split()]
    while len(headings) > _SCORES + 2:
        widths = [max(map(len, cells)) for cells in zip(headings, *rows, strict=True)][1:]
        # Two spaces part columns, and one is at either end.
        if max([len("  published ±"), *words]) + sum(w + 2 for w in widths) + 3 <= _WIDTH:
            break
        headings = [*headings[:-2], headings[-1]]
        rows = [[*row[:-2], row[-1]] for row in rows]
    return NarrowTable(table.protocol, headings, rows)


def differences(ablation: Ablation) -> str:
    """How data, length or methods differ from those of the published table, in one paragraph."""
    said = " ".join(ablation.grid.differences.split())
    return f"Differences from the published table: {said}" if said else ""


def _has_published(ablation: Ablation) -> bool:
    rows = ablation.grid.rows
    sets = [*ablation.grid.score, *(s for row in rows for s in row.score)]
    return any(row.published for row in rows) or any(given.published for given in sets)


def write_table(ablation: Ablation, out: Path) -> tuple[Path, Path]:
    """Write ``table.csv`` and ``table.md``; the latter says how to read it, and what failed."""
    headings, rows = table_of(ablation)
    with (out / "table.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([headings, *rows])
    (out / "table.md").write_text(markdown(ablation), encoding="utf-8")
    return out / "table.csv", out / "table.md"


def markdown(ablation: Ablation) -> str:
    """The table in Markdown, with its description and the rows that failed."""
    headings, rows = table_of(ablation)
    lines = [f"# {ablation.grid.name}", "", " ".join(ablation.grid.about.split()), ""]
    lines += [_line(headings), _line("---" for _ in headings), *map(_line, rows), ""]
    budget = ablation.grid.budget.model_dump(exclude_none=True)
    spent = " ".join(f"{value:g} {unit}" for unit, value in budget.items())
    if ablation.grid.differences:
        lines += [differences(ablation), ""]
    what = "the sets that rows name, by their protocols; classes: PQ, or F_c, or F1"
    if not any(row.score for row in ablation.grid.rows) and not ablation.grid.score:
        what = (
            "validation images by the protocol conic (patches of 256 px; PQ: their mean, mPQ+:"
            " pooled); classes: PQ"
        )
    folds = ablation.grid.folds
    if folds:
        lines += [
            f"Each of {folds} folds was left out in turn, and scored in place of the validation"
            " images.",
            "",
        ]
    lines += [
        f"Budget of each training: {spent or 'the steps of its recipe'}. Scores: {what}."
        " ± is the standard deviation over seeds, folds or cohorts. images/s: tiles trained per"
        " second; GFLOP/Mpx: forward pass, a multiply-add counted as two.",
        "",
    ]
    if ablation.problems:
        lines += ["Failed:", "", *(f"* {problem}" for problem in ablation.problems), ""]
    return "\n".join(lines)


def _line(cells: Any) -> str:
    return "| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |"
