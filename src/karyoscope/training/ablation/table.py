"""The table of an ablation, as papers print it: a row a configuration."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from karyoscope.report.wording import number
from karyoscope.training.ablation.runs import Ablation, Job

Results = list[tuple[Job, dict[str, Any]]]

#: Heading -> where it is in a result, and its decimal places.
_SCORES = {"PQ": ("pq", 3), "mPQ+": ("mpq_plus", 3), "R²": ("r2", 2)}
#: Of protocols other than CoNIC's.
_OTHER_SCORES = {
    "DICE": ("dice", 3),
    "AJI": ("aji", 3),
    "DQ": ("dq", 3),
    "SQ": ("sq", 3),
    "PQ": ("pq", 3),
    "F1": ("f1", 3),
    "object Dice": ("object_dice", 3),
    "Hausdorff": ("object_hausdorff", 2),
    "F_d": ("f_d", 3),
    "accuracy": ("acc", 3),
}
_COSTS = {
    "images/s": ("images_per_s", 1, 1.0),
    "M parameters": ("parameters", 2, 1e-6),
    "GFLOP/Mpx": ("gflop_per_mpx", 0, 1.0),
    "steps": ("steps", 0, 1.0),
}


def table_of(ablation: Ablation) -> tuple[list[str], list[list[str]]]:
    """Headings and cells, a row of the grid a row.

    Where a row was trained several times (seeds, cohorts left out in turn) there is one row for
    each cohort and one for the mean over all with the standard deviation. Where it was scored on
    several sets there is one row for each. A column for the published scores stands beside ours
    where the grid has them.
    """
    sets = [scores for _, r in ablation.results for scores in (r["scores"], *r.get("also", []))]
    # Sets and rows may have classes of their own.
    classes = list(dict.fromkeys(name for scores in sets for name in scores.get("classes", {})))
    headings = ["row", *_scores_in(ablation), *classes]
    if _has_published(ablation):
        headings.append("published")
    return [*headings, *_COSTS, "corresponds to"], list(_rows(ablation, classes))


def narrow_table(ablation: Ablation) -> tuple[list[str], list[list[str]]]:
    """The columns of :func:`table_of` that fit a terminal: rows, scores, speed of training.

    Standard deviations and published scores have lines of their own below those of their row.
    """
    headings, rows = table_of(ablation)
    wanted = ["row", *_scores_in(ablation), "images/s"]
    lines = []
    for row in rows:
        cells = dict(zip(headings, row, strict=True))
        scores = [cells[heading].partition(" ± ") for heading in wanted[1:-1]]
        lines.append([cells["row"], *(mean for mean, _, _ in scores), cells["images/s"]])
        if any(deviation for _, _, deviation in scores):
            lines.append(["  ±", *(deviation for _, _, deviation in scores), ""])
        said = dict(p.rsplit(" ", 1) for p in cells.get("published", "").split(", ") if p)
        if said:
            lines.append(["  published", *(said.get(heading, "") for heading in wanted[1:])])
    return wanted, lines


def _scores_in(ablation: Ablation) -> dict[str, tuple[str, int]]:
    """Headings of the protocols that were used."""
    results = [result for _, result in ablation.results]
    scored = [scores for r in results for scores in (r["scores"], *r.get("also", []))]
    protocols = {scores.get("protocol", "conic") for scores in scored}
    if protocols <= {"conic"}:
        return _SCORES
    known = {k: v for k, v in _OTHER_SCORES.items() if any(s.get(v[0]) is not None for s in scored)}
    return known | (_SCORES if "conic" in protocols else {})


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
        lines += [
            f"Differences from the published table: {' '.join(ablation.grid.differences.split())}",
            "",
        ]
    what = "the sets that rows name, by their protocols; classes: PQ, or F_c"
    if not any(row.score for row in ablation.grid.rows) and not ablation.grid.score:
        what = (
            "validation images by the protocol conic (patches of 256 px; PQ: their mean, mPQ+:"
            " pooled); classes: PQ"
        )
    lines += [
        f"Budget of each training: {spent or 'the steps of its recipe'}. Scores: {what}."
        " ± is the standard deviation over seeds or cohorts. images/s: tiles trained per second;"
        " GFLOP/Mpx: forward pass, a multiply-add counted as two.",
        "",
    ]
    if ablation.problems:
        lines += ["Failed:", "", *(f"* {problem}" for problem in ablation.problems), ""]
    return "\n".join(lines)


def _line(cells: Any) -> str:
    return "| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |"


def _rows(ablation: Ablation, classes: list[str]) -> Iterator[list[str]]:
    headings, published = _scores_in(ablation), _has_published(ablation)

    def cells(jobs: Results, place: int, said: dict[str, float]) -> list[str]:
        beside = [", ".join(f"{k} {_as_printed(v)}" for k, v in said.items())] if published else []
        scores = [_set_of(result, place) for _, result in jobs]
        return [*_cells(scores, headings, classes), *beside, *_costs(jobs)]

    for row in ablation.grid.rows:
        jobs = [(job, result) for job, result in ablation.results if job.row.name == row.name]
        if not jobs:
            continue
        cohorts = sorted({job.cohort for job, _ in jobs})
        for cohort in cohorts if len(cohorts) > 1 else []:
            held = [(job, result) for job, result in jobs if job.cohort == cohort]
            yield [f"{row.name}, {cohort} left out", *cells(held, 0, {}), ""]
        sets = row.score or ablation.grid.score
        for place in range(max(1, len(sets))):
            name = row.name if not sets else f"{row.name} on {_set_of(jobs[0][1], place)['on']}"
            said = row.published | (sets[place].published if sets else {})
            yield [name, *cells(jobs, place, said), row.corresponds_to]


def _as_printed(score: float) -> str:
    """A published score with the decimal places of ours, or more where it has more."""
    return f"{score:.3f}" if round(score, 3) == score else f"{score:g}"


def _set_of(result: dict[str, Any], place: int) -> dict[str, Any]:
    return [result["scores"], *result.get("also", [])][place]


def _cells(
    scores: list[dict[str, Any]], headings: dict[str, tuple[str, int]], classes: list[str]
) -> list[str]:
    cells = [_mean([s.get(key) for s in scores], p) for key, p in headings.values()]
    by_class = [
        _mean([_class_score(s.get("classes", {}).get(c, {})) for s in scores], 3) for c in classes
    ]
    return [*cells, *by_class]


def _class_score(scores: dict[str, float | None]) -> float | None:
    """Panoptic quality of a class, or where a protocol has none its classification score."""
    return next((scores[key] for key in ("pq", "f_c", "f1") if scores.get(key) is not None), None)


def _costs(jobs: Results) -> list[str]:
    costs = [result["cost"] for _, result in jobs]
    return [
        number(statistics.fmean(c[key] for c in costs) * factor, places=places)
        for key, places, factor in _COSTS.values()
    ]


def _mean(values: list[float | None], places: int) -> str:
    """Mean and standard deviation; a dash where a score is undefined."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    mean = number(statistics.fmean(known), places=places)
    if len(known) == 1:
        return mean
    return f"{mean} ± {number(statistics.stdev(known), places=places)}"
