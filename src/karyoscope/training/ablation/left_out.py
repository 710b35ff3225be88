"""Rules of a grid with folds: what is refused, what is scored, what makes scores too high."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from karyoscope.core.errors import KaryoscopeError
from karyoscope.evaluation import names_of_part
from karyoscope.training.ablation.grid import Grid, Row, ScoredSet
from karyoscope.training.data.folds import divided_images, sources_of
from karyoscope.training.recipe.reading import find_split
from karyoscope.training.recipe.schema import Recipe


def refuse_both_left_out(grid: Grid) -> None:
    """Raise where a grid with folds has a row that leaves cohorts out.

    Raises
    ------
    KaryoscopeError
        Such a row is named.
    """
    for row in grid.rows:
        if grid.folds and row.leave_out:
            raise KaryoscopeError(
                f"row {row.name!r} leaves out cohorts, and the grid has folds: give one of the two"
            )


def on_fold(
    sets: tuple[ScoredSet, ...], recipe: Recipe, divided: Collection[str]
) -> tuple[ScoredSet, ...]:
    """Sets of a training that leaves a fold out: its images are scored, not those trained on.

    Parameters
    ----------
    sets : tuple of ScoredSet
        Those of the folder that is divided are scored on the fold, unless none of their images is
        in any fold.
    recipe : Recipe
        Recipe of the training, whose validation images are the fold.
    divided : collection of str
        Names of the images of all folds.
    """
    folder, own = recipe.data[0].path.resolve(), recipe.validation
    return tuple(
        given.model_copy(update={"split": own.split, "part": own.part})
        if given.truth.resolve() == folder and _in_a_fold(given, divided)
        else given
        for given in sets
    )


def _in_a_fold(given: ScoredSet, divided: Collection[str]) -> bool:
    if given.split is None:
        return True
    path = find_split(str(given.split))
    return path.is_file() and not {*divided}.isdisjoint(names_of_part(path, given.part))


def lacking_for_folds(row: Row, recipe: Recipe, folds: int) -> Iterator[str]:
    """Why a row cannot be trained without each fold; no image is read."""
    try:
        divided = divided_images(recipe, folds)
    except KaryoscopeError as error:
        yield str(error)
        return
    if row.tune is not None and len(sources_of(divided)) < 2 * folds:
        yield (
            "it is tuned on one half of a fold and scored on the other, and the folds have fewer"
            " than two sources"
        )


def remarks_of_folds(recipe: Recipe) -> Iterator[str]:
    """What makes scores of folds too high, as far as a recipe tells."""
    what = [f"the model that it starts from ({recipe.start})"] if recipe.start else []
    what += ["its teachers"] if recipe.teacher else []
    if what:
        yield (
            f"if {' or '.join(what)} was trained on images of {recipe.data[0].path}, it has seen"
            " the images of every fold, and scores are too high"
        )
