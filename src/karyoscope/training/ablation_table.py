"""The table of an ablation, as papers print it: a row a configuration."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from karyoscope.report.wording import number
from karyoscope.training.ablate import Ablation, Job

Results = list[tuple[Job, dict[str, Any]]]

#: Heading -> where it is in a result, and its decimal places.
_SCORES = {"PQ": ("pq", 3), "mPQ+": ("mpq_plus", 3), "R²": ("r2", 2)}
_COSTS = {
    "images/s": ("images_per_s", 1, 1.0),
    "M parameters": ("parameters", 2, 1e-6),
    "GFLOP/Mpx": ("gflop_per_mpx", 0, 1.0),
    "steps": ("steps", 0, 1.0),
}


def table_of(ablation: Ablation) -> tuple[list[str], list[list[str]]]:
    """Headings and cells, a row of the grid a row.

    Where a row was trained several times (seeds, cohorts left out in turn) there is one row for
    each cohort and one for the mean over all with the standard deviation.
    """
    first = ablation.results[0][1] if ablation.results else {"scores": {}}
    classes = list(first["scores"].get("classes", {}))
    headings = ["row", *_SCORES, *classes, *_COSTS, "stands for"]
    return headings, list(_rows(ablation, classes))


def write_table(ablation: Ablation, out: Path) -> tuple[Path, Path]:
    """Write ``table.csv`` and ``table.md``; the latter says how to read it, and what failed."""
    headings, rows = table_of(ablation)
    with (out / "table.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([headings, *rows])
    (out / "table.md").write_text(markdown(ablation), encoding="utf-8")
    return out / "table.csv", out / "table.md"


def markdown(ablation: Ablation) -> str:
    """The table in Markdown, with what it is and what failed."""
    headings, rows = table_of(ablation)
    lines = [f"# {ablation.grid.name}", "", " ".join(ablation.grid.about.split()), ""]
    lines += [_line(headings), _line("---" for _ in headings), *map(_line, rows), ""]
    budget = ablation.grid.budget.model_dump(exclude_none=True)
    spent = " ".join(f"{value:g} {unit}" for unit, value in budget.items())
    lines += [
        f"Budget of each training: {spent or 'the steps of its recipe'}. Scores: validation images"
        " by the protocol conic (patches of 256 px, pooled); classes: PQ. ± is the standard"
        " deviation over seeds or cohorts. images/s: tiles trained a second; GFLOP/Mpx: forward"
        " pass, a multiply-add counted as two.",
        "",
    ]
    if ablation.problems:
        lines += ["Failed:", "", *(f"* {problem}" for problem in ablation.problems), ""]
    return "\n".join(lines)


def _line(cells: Any) -> str:
    return "| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |"


def _rows(ablation: Ablation, classes: list[str]) -> Iterator[list[str]]:
    for row in ablation.grid.rows:
        jobs = [(job, result) for job, result in ablation.results if job.row.name == row.name]
        cohorts = sorted({job.cohort for job, _ in jobs})
        for cohort in cohorts if len(cohorts) > 1 else []:
            held = [(job, result) for job, result in jobs if job.cohort == cohort]
            yield [f"{row.name}, {cohort} left out", *_cells(held, classes), ""]
        if jobs:
            yield [row.name, *_cells(jobs, classes), row.stands_for]


def _cells(jobs: Results, classes: list[str]) -> list[str]:
    scores = [result["scores"] for _, result in jobs]
    costs = [result["cost"] for _, result in jobs]
    cells = {name: _mean([s.get(key) for s in scores], p) for name, (key, p) in _SCORES.items()}
    by_class = [_mean([s["classes"].get(c, {}).get("pq") for s in scores], 3) for c in classes]
    cost = [
        number(statistics.fmean(c[key] for c in costs) * factor, places=places)
        for key, places, factor in _COSTS.values()
    ]
    return [*cells.values(), *by_class, *cost]


def _mean(values: list[float | None], places: int) -> str:
    """Mean and standard deviation; a dash where a score is undefined."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    mean = number(statistics.fmean(known), places=places)
    if len(known) == 1:
        return mean
    return f"{mean} ± {number(statistics.stdev(known), places=places)}"
