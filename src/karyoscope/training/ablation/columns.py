"""Columns of the table of an ablation: the scores of each protocol, and what a network costs."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from karyoscope.report.wording import number
from karyoscope.training.ablation.grid import Published
from karyoscope.training.ablation.runs import Ablation, Job

Results = list[tuple[Job, dict[str, Any]]]
#: Heading -> where it is in a result, and its decimal places.
Columns = dict[str, tuple[str, int]]

_CONIC: Columns = {
    "PQ": ("pq", 3), "PQ+": ("pq_plus", 3), "mPQ+": ("mpq_plus", 3), "R²": ("r2", 2)
}  # fmt: skip
#: Of protocols other than CoNIC's.
_OTHERS: Columns = {
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
#: Of a class, beside its first score, where a protocol compares the nuclei of each class as shapes.
_OF_CLASSES: Columns = {
    "object Dice": ("object_dice", 3), "Hausdorff": ("object_hausdorff", 2), "accuracy": ("acc", 3)
}  # fmt: skip
_COSTS = {
    "images/s": ("images_per_s", 1, 1.0),
    "M parameters": ("parameters", 2, 1e-6),
    "GFLOP/Mpx": ("gflop_per_mpx", 0, 1.0),
    "steps": ("steps", 0, 1.0),
}
COSTS = tuple(_COSTS)


@dataclass(frozen=True)
class Line:
    """A line of the table: what one row of the grid scored on one set.

    Attributes
    ----------
    name : str
    jobs : list of (Job, dict)
        Trainings of the row, whose mean is shown.
    scores : list of dict
        What each of them scored on the set.
    published : dict
        Published scores by heading, each a number, or mean and standard deviation.
    corresponds_to : str
    """

    name: str
    jobs: Results
    scores: list[dict[str, Any]]
    published: dict[str, Published]
    corresponds_to: str

    @property
    def protocol(self) -> str:
        """The protocol that the set is scored by."""
        return str(self.scores[0].get("protocol", "conic"))


def lines_of(ablation: Ablation) -> list[Line]:
    """The lines of the table, in the order of the grid.

    Where a row was trained with several cohorts left out, each has a line, and then all together.
    """
    lines = []
    for row in ablation.grid.rows:
        jobs = [(job, result) for job, result in ablation.results if job.row.name == row.name]
        if not jobs:
            continue
        cohorts = sorted({job.cohort for job, _ in jobs})
        for cohort in cohorts if len(cohorts) > 1 else []:
            held = [(job, result) for job, result in jobs if job.cohort == cohort]
            name = f"{row.name}, {cohort} left out"
            lines.append(Line(name, held, _on_set(held, 0), {}, ""))
        sets = row.score or ablation.grid.score
        for place in range(max(1, len(sets))):
            scores = _on_set(jobs, place)
            name = row.name if not sets else f"{row.name} on {scores[0]['on']}"
            said = row.published | (sets[place].published if sets else {})
            lines.append(Line(name, jobs, scores, said, row.corresponds_to))
    return lines


def _on_set(jobs: Results, place: int) -> list[dict[str, Any]]:
    return [[result["scores"], *result.get("also", [])][place] for _, result in jobs]


def columns_for(lines: Sequence[Line]) -> Columns:
    """Scores over all nuclei that lines have, by the protocols that they were scored by."""
    scores = [scores for line in lines for scores in line.scores]
    said = {heading for line in lines for heading in line.published}
    conic = {
        heading: column
        for heading, column in _CONIC.items()
        # Earlier versions did not keep it.
        if heading != "PQ+" or heading in said or any(column[0] in s for s in scores)
    }
    protocols = {line.protocol for line in lines}
    if protocols <= {"conic"}:
        return conic
    known = {k: v for k, v in _OTHERS.items() if any(s.get(v[0]) is not None for s in scores)}
    return known | (conic if "conic" in protocols else {})


def classes_in(lines: Sequence[Line]) -> dict[str, tuple[str, str, int]]:
    """The columns of classes: by heading the class, the name of its score and the decimal places.

    The name is empty for the first score of a class. Sets and rows may have classes of their own.
    """
    found: dict[str, tuple[str, str, int]] = {}
    every = [scores.get("classes", {}) for line in lines for scores in line.scores]
    for name in dict.fromkeys(name for classes in every for name in classes):
        found[name] = (name, "", 3)
        if any("object_dice" in classes.get(name, {}) for classes in every):
            for heading, (key, places) in _OF_CLASSES.items():
                found[f"{name} {heading}"] = (name, key, places)
    return found


def score_cells(line: Line, columns: Columns) -> list[str]:
    """Scores over all nuclei, each the mean and its standard deviation over trainings."""
    return [_mean((s.get(key) for s in line.scores), p) for key, p in columns.values()]


def class_cells(line: Line, classes: dict[str, tuple[str, str, int]]) -> list[str]:
    """Scores of each class, each the mean and its standard deviation over trainings."""
    return [
        _mean((_class_score(s, name, key) for s in line.scores), places)
        for name, key, places in classes.values()
    ]


def _class_score(scores: dict[str, Any], name: str, key: str) -> float | None:
    """A score of a class; the first is its panoptic quality, or the score that a protocol has."""
    own = scores.get("classes", {}).get(name, {})
    if key:
        return own.get(key) if "object_dice" in own else None
    return next((own[key] for key in ("pq", "f_c", "f1") if own.get(key) is not None), None)


def cost_cells(line: Line) -> list[str]:
    """Mean costs over trainings."""
    costs = [result["cost"] for _, result in line.jobs]
    return [
        number(statistics.fmean(c[key] for c in costs) * factor, places=places)
        for key, places, factor in _COSTS.values()
    ]


def _mean(values: Iterable[float | None], places: int) -> str:
    """Mean and standard deviation; a dash where a score is undefined."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    mean = number(statistics.fmean(known), places=places)
    if len(known) == 1:
        return mean
    return f"{mean} ± {number(statistics.stdev(known), places=places)}"


def as_printed(heading: str, score: Published) -> str:
    """A published score with the decimal places of our column, or more where it has more."""
    if isinstance(score, tuple):
        return " ± ".join(as_printed(heading, part) for part in score)
    known = _CONIC | _OTHERS
    # That of a class begins with the name of the class.
    places = next((known[name][1] for name in known if heading.endswith(name)), 3)
    return f"{score:.{places}f}" if round(score, places) == score else f"{score:g}"
