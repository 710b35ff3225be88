"""What a grid would train, and what it lacks, before hours are spent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.timm_models import HubWeights
from karyoscope.networks.pretrained_weights import weights_file
from karyoscope.pretrained import find_weights
from karyoscope.training.ablation.grid import Budget, Grid, Row, ScoredSet
from karyoscope.training.ablation.left_out import (
    lacking_for_folds,
    on_fold,
    remarks_of_folds,
)
from karyoscope.training.ablation.settings import AblationSettings, recipe_of
from karyoscope.training.data.folds import divided_images
from karyoscope.training.recipe.reading import find_split, load_recipe
from karyoscope.training.recipe.schema import Recipe


@dataclass(frozen=True)
class PlannedRow:
    """A row of a grid before it is trained.

    Attributes
    ----------
    row : Row
    recipe : str
        Name of its recipe; that of the row whose network it takes, if it takes one.
    trainings : str
        Number of trainings, or what is scored again.
    budget : str
        Budget of each training.
    problems : tuple of str
        Why it cannot be trained; empty if it can.
    remarks : tuple of str
        What it cannot be scored on, and what makes its scores too high.
    """

    row: Row
    recipe: str
    trainings: str
    budget: str
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def plan_rows(grid: Grid, settings: AblationSettings, seeds: int | None = None) -> list[PlannedRow]:
    """Every row of a grid, checked: its recipe, its data, its split and its weights.

    Nothing is written, no network gets memory and no image is read. Of weights that timm downloads
    it is found out whether they are in the cache or the hub answers, within seconds.

    Parameters
    ----------
    grid : Grid
        Rows to check.
    settings : AblationSettings
        Recipe and changes of the command.
    seeds : int, optional
        Trainings of each row; as the grid says where not given.
    """
    hub = HubWeights()
    return [_planned(row, grid, settings, seeds or grid.seeds, hub) for row in grid.rows]


def problem_lines(rows: Sequence[PlannedRow], remarks: bool = False) -> list[str]:
    """What rows lack, a line each, with the names of all rows that lack it.

    Parameters
    ----------
    rows : sequence of PlannedRow
        From :func:`plan_rows`.
    remarks : bool
        What rows are not scored on and what makes scores too high, in place of why rows cannot be
        trained.
    """
    names: dict[str, list[str]] = {}
    for row in rows:
        for line in row.remarks if remarks else row.problems:
            names.setdefault(line, []).append(row.row.name)
    return [f"{', '.join(of)}: {line}" for line, of in names.items()]


def missing_parts(
    recipe: Recipe, sets: Sequence[ScoredSet] = (), hub: HubWeights | None = None
) -> list[str]:
    """Why a recipe cannot be trained here: folders of images, split or weights are not there.

    Parameters
    ----------
    recipe : Recipe
    sets : sequence of ScoredSet
        What the row is scored on; where there is none, its validation images, on which nothing
        may then be chosen.
    hub : HubWeights, optional
        Looks for weights that timm downloads; without it they are not looked for.

    Returns
    -------
    list of str
        A sentence for each.
    """
    found = missing_data(recipe)
    if recipe.training.keep_parent == "choose" and _scored_on_validation(recipe, sets):
        found.append(
            "training.keep_parent: choose would choose on the images that the row is scored on;"
            " give a number"
        )
    return [*found, *_weights(recipe, hub)]


def missing_data(recipe: Recipe) -> list[str]:
    """The folders of images and the split of a recipe that are not here, a sentence each."""
    folder = Path.cwd()
    found = [
        f"no images at {source.path} from {folder}: run the command in another folder, or give"
        " --set data"
        for source in recipe.data
        if not source.path.exists()
    ]
    if recipe.validation.split and not Path(recipe.validation.split).is_file():
        found.append(f"no split {recipe.validation.split}")
    return found


def _scored_on_validation(recipe: Recipe, sets: Sequence[ScoredSet]) -> bool:
    """Whether a set that the row is scored on has the recipe's validation images."""
    if not sets:
        return True
    folders = {source.path.resolve() for source in recipe.data}
    own = recipe.validation
    for given in sets:
        if given.truth.resolve() not in folders:
            continue
        if given.split is None or own.split is None:
            return True
        split = find_split(str(given.split)).resolve()
        if (split, given.part) == (Path(own.split).resolve(), own.part):
            return True
    return False


def _weights(recipe: Recipe, hub: HubWeights | None) -> Iterator[str]:
    for teacher in recipe.teacher:
        if not teacher.weights.exists():
            yield f"no weights of the teacher at {teacher.weights} from {Path.cwd()}"
    options = recipe.network.options
    encoder, pretrained = str(options.get("encoder", "")), options.get("pretrained", False)
    try:
        file = weights_file(encoder, pretrained)
        if file is None and pretrained and hub is not None and not hub.has(encoder):
            yield (
                f"encoder {encoder!r}: its ImageNet weights cannot be fetched, the hub does not"
                " answer; give the path of a .safetensors file as network.pretrained, or false"
            )
        for loss in recipe.losses:
            given = loss.options.get("pretrained", False)
            if not isinstance(given, bool):
                find_weights(given)
    except KaryoscopeError as error:
        yield str(error)


def _planned(
    row: Row, grid: Grid, settings: AblationSettings, seeds: int, hub: HubWeights
) -> PlannedRow:
    trained = next((r for r in grid.rows if r.name == row.trained_as), row)
    name, changes = recipe_of(trained, grid, settings)
    problems: list[str] = []
    remarks: list[str] = []
    budget = _words(grid.budget)
    try:
        recipe = load_recipe(name, changes)
        sets = trained.score or grid.score
        if grid.folds and not missing_data(recipe):
            problems += lacking_for_folds(row, recipe, grid.folds)
            if not problems:
                names = [record.name for record in divided_images(recipe, grid.folds)]
                sets = on_fold(sets, recipe, names)
            remarks += remarks_of_folds(recipe)
        problems += missing_parts(recipe, sets, hub)
        if trained is not row:
            load_recipe(*recipe_of(row, grid, settings))
        budget = budget or f"{recipe.training.steps:,} steps"
    except KaryoscopeError as error:
        problems.append(str(error))
    each = f"{seeds} for each cohort" if trained.leave_out == "each" else str(seeds)
    each = f"{seeds} for each of {grid.folds} folds" if grid.folds else each
    return PlannedRow(
        row,
        name,
        each if row.trained_as is None else f"as {row.trained_as}",
        budget,
        tuple(problems),
        (*_remarks(row.score or grid.score), *remarks),
    )


def _remarks(sets: tuple[ScoredSet, ...]) -> Iterator[str]:
    for given in sets:
        if not given.truth.exists():
            yield f"not scored on {given.name or given.truth.name}: nothing at {given.truth}"
        elif given.split is not None and not find_split(str(given.split)).is_file():
            yield f"not scored on {given.name or given.truth.name}: no split {given.split}"


def _words(budget: Budget) -> str:
    given = budget.model_dump(exclude_none=True)
    return " ".join(f"{value:,.15g} {unit}" for unit, value in given.items())
