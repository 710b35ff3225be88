"""Train and score every row of a grid under one budget."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import write_text
from karyoscope.datasets.split import cohorts_of, leave_out, write_split
from karyoscope.evaluation import ScoringOptions, evaluate_model
from karyoscope.inference import find_bundle, load_model
from karyoscope.inference.rewrite import rewrite_bundle
from karyoscope.metrics.stored import plain
from karyoscope.training.budget import within
from karyoscope.training.cross_tuned import cross_tuned
from karyoscope.training.data import open_source, split_records
from karyoscope.training.export import export_bundle
from karyoscope.training.grid import Grid, Row
from karyoscope.training.measure import cost_of, seconds_a_step
from karyoscope.training.recipe import load_recipe
from karyoscope.training.run import train
from karyoscope.training.schema import Recipe

RESULT, COST, FAILED = "result.json", "cost.json", "failed.txt"
RUN, BUNDLE = "run", "bundle"


@dataclass(frozen=True)
class Job:
    """One training (or re-scoring) of a row: a seed, and a cohort where one is left out."""

    row: Row
    seed: int
    cohort: str = ""

    @property
    def folder(self) -> str:
        """Where it lies in the folder of the ablation."""
        return "-".join(part for part in (self.row.name, self.cohort, f"seed{self.seed}") if part)


@dataclass
class Ablation:
    """What came of a grid.

    Attributes
    ----------
    grid : Grid
    results : list of (Job, dict)
        Scores and costs of the finished jobs, in the order of the grid.
    problems : list of str
        One line for each job that failed.
    """

    grid: Grid
    results: list[tuple[Job, dict[str, Any]]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Bench:
    """What all rows of an ablation share.

    Attributes
    ----------
    recipe : str
        Of the rows that name none.
    out : path
        A folder for each job, with its run, its bundle and its result.
    changes : sequence of str
        ``key=value`` for every row, after those of the grid.
    device : {"auto", "cpu", "cuda"}
    threads : int
        Of the CPU, for scoring; 0 for all.
    """

    recipe: str
    out: Path
    changes: Sequence[str] = ()
    device: str = "auto"
    threads: int = 0


def ablate(
    grid: Grid,
    bench: Bench,
    seeds: int = 1,
    resume: bool = False,
    watch: Callable[[str], None] = lambda line: None,
) -> Ablation:
    """Train every row of a grid and score it on validation by the conic protocol.

    A row that fails is named, and the others go on.

    Parameters
    ----------
    grid : Grid
    bench : Bench
    seeds : int
        Trainings of each row.
    resume : bool
        Keep the results in ``bench.out`` and go on with what is not finished.
    watch : callable
        Called with a line before and after each job.

    Raises
    ------
    KaryoscopeError
        If the folder holds results and they are not resumed.
    """
    if not resume and any(bench.out.glob(f"*/{RESULT}")):
        raise KaryoscopeError(f"{bench.out} holds results: give --resume or another --out")
    outcome = Ablation(grid)
    for row in grid.rows:
        try:
            jobs = list(_jobs(row, grid, bench, seeds))
        except KaryoscopeError as error:
            outcome.problems.append(f"{row.name}: {error}")
            continue
        for job in jobs:
            try:
                watch(f"{job.folder}: begun")
                result = _finished(job, grid, bench) or _run(job, grid, bench)
            except Exception as error:  # whatever it is, the other rows go on
                outcome.problems.append(f"{job.folder}: {_one_line(error)}")
                _note(bench.out / job.folder, traceback.format_exc())
                watch(outcome.problems[-1])
            else:
                outcome.results.append((job, result))
                watch(f"{job.folder}: PQ {result['scores']['pq']:.3f}")
    return outcome


def _jobs(row: Row, grid: Grid, bench: Bench, seeds: int) -> Iterator[Job]:
    trained_as = next((r for r in grid.rows if r.name == row.trained_as), row)
    cohorts = [trained_as.leave_out or ""]
    if cohorts == ["each"]:
        recipe = load_recipe(*recipe_of(trained_as, grid, bench))
        cohorts = cohorts_of(open_source(recipe.data[0], recipe.mpp).records)
    for cohort in cohorts:
        for seed in range(seeds):
            yield Job(row, seed, cohort)


def recipe_of(row: Row, grid: Grid, bench: Bench) -> tuple[str, list[str]]:
    """Name of a row's recipe and its changes: the grid's, the row's, those of the command."""
    common = Row(name="common", set={k: v for k, v in grid.set.items() if k not in row.set})
    return row.recipe or bench.recipe, [*common.changes, *row.changes, *bench.changes]


def _asked(job: Job, grid: Grid, bench: Bench) -> dict[str, Any]:
    """What a result is the answer to: it is kept for no other question."""
    name, changes = recipe_of(job.row, grid, bench)
    given = job.row.model_dump(mode="json", exclude_defaults=True)
    budget = grid.budget.model_dump(mode="json", exclude_none=True)
    return {"recipe": name, "changes": changes, "budget": budget, "row": given}


def _finished(job: Job, grid: Grid, bench: Bench) -> dict[str, Any] | None:
    """The result of an earlier call, provided that the same was asked then."""
    path = bench.out / job.folder / RESULT
    if not path.is_file():
        return None
    result = json.loads(path.read_text(encoding="utf-8"))
    if result["asked"] != _asked(job, grid, bench):
        raise KaryoscopeError(f"{path} answers other changes or another budget: use another --out")
    return result


def _run(job: Job, grid: Grid, bench: Bench) -> dict[str, Any]:
    folder = bench.out / job.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FAILED).unlink(missing_ok=True)
    if job.row.trained_as:
        first = replace(job, row=next(r for r in grid.rows if r.name == job.row.trained_as))
        recipe, result = _rescored(job, bench, bench.out / first.folder)
    else:
        recipe = _trained(job, grid, bench, folder)
        result = {"cost": json.loads((folder / COST).read_text(encoding="utf-8"))}
        export_bundle(folder / RUN, folder / BUNDLE)
    result = {
        "asked": _asked(job, grid, bench),
        "seed": job.seed,
        "cohort": job.cohort,
        "scores": _scores(job, recipe, folder / BUNDLE, bench),
    } | result
    write_text(folder / RESULT, json.dumps(result, indent=1))
    return result


def _trained(job: Job, grid: Grid, bench: Bench, folder: Path) -> Recipe:
    """Train a job, or go on with its run, which keeps the number of steps it was given."""
    run = folder / RUN
    if (run / "last.ckpt").is_file():
        recipe = load_recipe(run / "recipe.yaml")
        train(recipe, run, resume=True, device=bench.device)
        return recipe
    name, changes = recipe_of(job.row, grid, bench)
    changes.append(f"training.seed={job.seed}")
    if job.cohort:
        split = _without(job.cohort, load_recipe(name, changes), folder / "split.json")
        changes += [f"validation.split={split}", "validation.part=validation"]
    recipe = load_recipe(name, changes)
    pace = seconds_a_step(recipe, bench.device)
    recipe = within(recipe, grid.budget, pace)
    (folder / COST).write_text(json.dumps(cost_of(recipe, pace)), encoding="utf-8")
    train(recipe, run, device=bench.device)
    return recipe


def _without(cohort: str, recipe: Recipe, path: Path) -> Path:
    """Write the split that leaves a cohort out; nuclei are not counted for it."""
    dataset = open_source(recipe.data[0], recipe.mpp)
    counts = [np.zeros(256, np.int64)] * len(dataset.records)
    write_split(leave_out(dataset.records, counts, dataset.taxonomy, cohort), path)
    return path


def _rescored(job: Job, bench: Bench, first: Path) -> tuple[Recipe, dict[str, Any]]:
    """A copy of another row's bundle with other post-processing."""
    if not (first / BUNDLE).is_dir():
        raise KaryoscopeError(f"row {job.row.trained_as!r}, whose network it takes, has failed")
    recipe = load_recipe(first / RUN / "recipe.yaml", job.row.changes)
    post = recipe.postprocessing
    changes = {"postprocessing": {"name": post.name, "params": post.options}}
    rewrite_bundle(find_bundle(str(first / BUNDLE)), bench.out / job.folder / BUNDLE, changes)
    cost = json.loads((first / RESULT).read_text(encoding="utf-8"))["cost"]
    return recipe, {"cost": cost}


def _scores(job: Job, recipe: Recipe, bundle: Path, bench: Bench) -> dict[str, Any]:
    """Scores of a bundle on the validation images of a recipe: CoNIC's, on patches."""
    _, validation = split_records(recipe)
    truth, names = validation[0][0], [record.name for _, record in validation]
    if job.row.tune is not None:
        where = (bench.device, bench.threads)
        evaluation, params = cross_tuned(bundle, job.row.tune, truth, names, *where)
        return plain(evaluation.scores) | {"images": len(names), "tuned": params}
    model = load_model(str(bundle), bench.device, bench.threads)
    outcome = evaluate_model(truth, model, ScoringOptions("conic", names))
    if outcome.problems:
        raise KaryoscopeError(outcome.problems[0])
    return plain(outcome.evaluation.scores) | {"images": outcome.images}


def _one_line(error: Exception) -> str:
    kind = "" if isinstance(error, KaryoscopeError) else f"{type(error).__name__}: "
    return kind + (" ".join(str(error).split()) or "no message")


def _note(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FAILED).write_text(text, encoding="utf-8")
