"""Train and score every row of a grid under one budget."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import write_text
from karyoscope.core.lock import locked_folder
from karyoscope.datasets.split import cohorts_of, read_split
from karyoscope.inference import find_bundle
from karyoscope.inference.rewrite import rewrite_bundle
from karyoscope.training.ablation.budget import within
from karyoscope.training.ablation.division import check_folds, divide, division_file
from karyoscope.training.ablation.grid import Grid, Row, ScoredSet
from karyoscope.training.ablation.left_out import on_fold, refuse_both_left_out
from karyoscope.training.ablation.measure import cost_of, seconds_a_step
from karyoscope.training.ablation.plan import missing_parts, plan_rows, problem_lines
from karyoscope.training.ablation.scoring import scores_of
from karyoscope.training.ablation.settings import AblationSettings, recipe_of, refuse_undone
from karyoscope.training.bundle.export import export_bundle
from karyoscope.training.data.folds import (
    divided_images,
    fold_names,
    holding_out,
    without_cohort,
)
from karyoscope.training.data.images import load_training_bank, open_source
from karyoscope.training.recipe.reading import changed_keys, load_recipe
from karyoscope.training.recipe.schema import Recipe
from karyoscope.training.run import train
from karyoscope.training.trainer import is_first

RESULT, COST, FAILED = "result.json", "cost.json", "failed.txt"
RUN, BUNDLE = "run", "bundle"


@dataclass(frozen=True)
class Job:
    """One training (or re-scoring) of a row: a seed, and what is left out where something is.

    Attributes
    ----------
    row : Row
    seed : int
    cohort : str
        Cohort that is left out, or ``""``.
    fold : int
        Fold that is left out, from 1; 0 where the grid has none.
    folds : int
        Number of folds, or 0.
    """

    row: Row
    seed: int
    cohort: str = ""
    fold: int = 0
    folds: int = 0

    @property
    def folder(self) -> str:
        """Folder of the job in the folder of the ablation."""
        fold = f"fold{self.fold}of{self.folds}" if self.fold else ""
        parts = (self.row.name, self.cohort, fold, f"seed{self.seed}")
        return "-".join(part for part in parts if part)


@dataclass
class Ablation:
    """The results of a grid.

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


def ablate(
    grid: Grid,
    settings: AblationSettings,
    seeds: int | None = None,
    resume: bool = False,
    watch: Callable[[str], None] = lambda line: None,
) -> Ablation:
    """Train every row of a grid and score it on validation by the conic protocol.

    A row that fails is named, and the others are processed.

    Parameters
    ----------
    grid : Grid
        Rows to train and score.
    settings : AblationSettings
        Folder, device and data of the rows.
    seeds : int, optional
        Trainings of each row; as the grid says where not given.
    resume : bool
        Keep the results in ``settings.out`` and continue with what is not finished.
    watch : callable
        Called with a line before and after each job.

    Raises
    ------
    KaryoscopeError
        If the folder holds results and they are not resumed, another process trains there, a
        change of the command would undo one of a row, a grid with folds leaves cohorts out too, or
        no row can be trained, for want of data or weights for example.
    """
    refuse_undone(grid, settings)
    refuse_both_left_out(grid)
    _refuse_results(settings.out, resume)
    _say_what_lacks(grid, settings, seeds, watch)
    # Where several processes train together, each comes here, and the first holds the folder.
    with locked_folder(settings.out) if is_first() else nullcontext():
        _refuse_results(settings.out, resume)
        return _ablate(grid, settings, seeds or grid.seeds, watch)


def _refuse_results(out: Path, resume: bool) -> None:
    if not resume and any(out.glob(f"*/{RESULT}")):
        raise KaryoscopeError(f"{out} holds results: give --resume or another --out")


def _say_what_lacks(
    grid: Grid, settings: AblationSettings, seeds: int | None, watch: Callable[[str], None]
) -> None:
    """Name the rows that will fail before the first is trained; raise where all will."""
    every = plan_rows(grid, settings, seeds)
    rows = [r for r in every if not _is_done(r.row, grid, settings, seeds or grid.seeds)]
    if len(rows) == len(every) and all(row.problems for row in rows):
        raise KaryoscopeError(f"no row can be trained; {rows[0].row.name}: {rows[0].problems[0]}")
    for line in problem_lines(rows):
        watch(f"will fail: {line}")


def _is_done(row: Row, grid: Grid, settings: AblationSettings, seeds: int) -> bool:
    """Whether every training of a row has a result."""
    try:
        jobs = list(_jobs(row, grid, settings, seeds))
    except KaryoscopeError:
        return False
    return all((settings.out / job.folder / RESULT).is_file() for job in jobs)


def _ablate(
    grid: Grid, settings: AblationSettings, seeds: int, watch: Callable[[str], None]
) -> Ablation:
    outcome = Ablation(grid)
    for row in grid.rows:
        try:
            jobs = list(_jobs(row, grid, settings, seeds))
            check_folds(row, grid, settings)
        except KaryoscopeError as error:
            outcome.problems.append(f"{row.name}: {error}")
            continue
        for job in jobs:
            try:
                watch(f"{job.folder}: begun")
                result = _finished(job, grid, settings) or _run(job, grid, settings)
            except Exception as error:  # whatever it is, the other rows are processed
                outcome.problems.append(f"{job.folder}: {_one_line(error)}")
                _note(settings.out / job.folder, traceback.format_exc())
                watch(outcome.problems[-1])
            else:
                outcome.results.append((job, result))
                quality = result["scores"].get("pq")
                watch(f"{job.folder}: PQ {'-' if quality is None else f'{quality:.3f}'}")
    return outcome


def _jobs(row: Row, grid: Grid, settings: AblationSettings, seeds: int) -> Iterator[Job]:
    trained_as = next((r for r in grid.rows if r.name == row.trained_as), row)
    cohorts = [trained_as.leave_out or ""]
    if cohorts == ["each"]:
        recipe = load_recipe(*recipe_of(trained_as, grid, settings))
        cohorts = cohorts_of(open_source(recipe.data[0], recipe.mpp).records)
    for cohort in cohorts:
        for fold in range(1, grid.folds + 1) if grid.folds else [0]:
            for seed in range(seeds):
                yield Job(row, seed, cohort, fold, grid.folds or 0)


def _asked(job: Job, grid: Grid, settings: AblationSettings) -> dict[str, Any]:
    """Return what identifies a result: one that was made with other settings is not reused."""
    name, changes = recipe_of(job.row, grid, settings)
    given = job.row.model_dump(mode="json", exclude_defaults=True)
    budget = grid.budget.model_dump(mode="json", exclude_none=True)
    asked = {"recipe": name, "changes": changes, "budget": budget, "row": given}
    sets = [given.model_dump(mode="json", exclude_defaults=True) for given in grid.score]
    folds = {"folds": grid.folds} if grid.folds else {}
    return asked | folds | ({"score": sets} if sets else {})


def _finished(job: Job, grid: Grid, settings: AblationSettings) -> dict[str, Any] | None:
    """The result of an earlier call, provided that the same was asked then."""
    path = settings.out / job.folder / RESULT
    if not path.is_file():
        return None
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    scored = [scores.get("images") != 0 for scores in (result["scores"], *result.get("also", []))]
    if _decisive(result["asked"], scored) != _decisive(_asked(job, grid, settings), scored):
        raise KaryoscopeError(
            f"{path} holds results of other changes or of another budget: use another --out"
        )
    return result


def _decisive(asked: dict[str, Any], scored: list[bool]) -> dict[str, Any]:
    """What was asked without that on which no result depends.

    These are texts and figures of a paper, and the layout of sets that were not there.
    """

    def bare(given: dict[str, Any], *also: str) -> dict[str, Any]:
        return {k: v for k, v in given.items() if k not in ("published", "corresponds_to", *also)}

    def sets_of(given: dict[str, Any]) -> dict[str, Any]:
        # A list that has become longer or shorter is told from the other as it is.
        found = given.get("score", [])
        known = [*scored, *[True] * len(found)]
        sets = [bare(s) if was else bare(s, "layout") for s, was in zip(found, known, strict=False)]
        return {"score": sets} if sets else {}

    return asked | sets_of(asked) | {"row": bare(asked["row"]) | sets_of(asked["row"])}


def _run(job: Job, grid: Grid, settings: AblationSettings) -> dict[str, Any]:
    folder = settings.out / job.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FAILED).unlink(missing_ok=True)
    if job.row.trained_as:
        first = replace(job, row=next(r for r in grid.rows if r.name == job.row.trained_as))
        recipe, result = _rescored(job, settings, settings.out / first.folder)
    else:
        recipe = _trained(job, grid, settings, folder)
        result = {"cost": json.loads((folder / COST).read_text(encoding="utf-8"))}
        export_bundle(folder / RUN, folder / BUNDLE)
    where = settings.device, settings.threads
    sets = scored_sets(job, grid, recipe)
    scores, *also = scores_of(job.row, recipe, folder / BUNDLE, *where, sets)
    result = {
        "asked": _asked(job, grid, settings),
        "seed": job.seed,
        "cohort": job.cohort,
        "fold": job.fold,
        "scores": scores,
        "also": also,
    } | result
    write_text(folder / RESULT, json.dumps(result, indent=1))
    return result


def _trained(job: Job, grid: Grid, settings: AblationSettings, folder: Path) -> Recipe:
    """Train a job, or continue with its run, which keeps the number of steps it was given."""
    run = folder / RUN
    if (run / "last.ckpt").is_file():
        recipe = load_recipe(run / "recipe.yaml")
        train(recipe, run, resume=True, device=settings.device)
        return recipe
    name, changes = recipe_of(job.row, grid, settings)
    changes.append(f"training.seed={job.seed}")
    if job.cohort:
        given = load_recipe(name, changes)
        dataset, used = open_source(given.data[0], given.mpp), divided_images(given, 1)
        changes += without_cohort(given, dataset, used, job.cohort, folder / "split.json")
    recipe = load_recipe(name, changes)
    if job.fold:
        path = division_file(job.row, job.folds, settings)
        divide(recipe, job.folds, path)
        changes += holding_out(recipe, path, job.fold)
        recipe = load_recipe(name, changes)
    for lack in missing_parts(recipe, scored_sets(job, grid, recipe)):
        raise KaryoscopeError(lack)
    pace = seconds_a_step(recipe, settings.device)
    pixels = _training_pixels(recipe) if grid.budget.epochs else 0
    kept = changed_keys(list(settings.changes))
    recipe = within(recipe, grid.budget, pace, pixels, kept)
    (folder / COST).write_text(json.dumps(cost_of(recipe, pace)), encoding="utf-8")
    train(recipe, run, device=settings.device)
    return recipe


def _training_pixels(recipe: Recipe) -> int:
    bank = load_training_bank(recipe)
    return int((bank.heights * bank.widths).sum())


def scored_sets(job: Job, grid: Grid, recipe: Recipe) -> tuple[ScoredSet, ...]:
    """What a job is scored on; of the dataset that has the folds, the fold that is left out."""
    sets = job.row.score or grid.score
    if not job.fold:
        return sets
    return on_fold(sets, recipe, fold_names(read_split(recipe.validation.split)))


def _rescored(job: Job, settings: AblationSettings, first: Path) -> tuple[Recipe, dict[str, Any]]:
    """A copy of another row's bundle with other post-processing."""
    if not (first / BUNDLE).is_dir():
        raise KaryoscopeError(f"row {job.row.trained_as!r}, whose network it takes, has failed")
    recipe = load_recipe(first / RUN / "recipe.yaml", job.row.changes)
    post = recipe.postprocessing
    changes = {"postprocessing": {"name": post.name, "params": post.options}}
    rewrite_bundle(find_bundle(str(first / BUNDLE)), settings.out / job.folder / BUNDLE, changes)
    cost = json.loads((first / RESULT).read_text(encoding="utf-8"))["cost"]
    return recipe, {"cost": cost}


def _one_line(error: Exception) -> str:
    kind = "" if isinstance(error, KaryoscopeError) else f"{type(error).__name__}: "
    return kind + (" ".join(str(error).split()) or "no message")


def _note(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FAILED).write_text(text, encoding="utf-8")
