"""The division of a row's images into folds, in the folder of the ablation."""

from __future__ import annotations

from pathlib import Path

from karyoscope.training.ablation.grid import Grid, Row
from karyoscope.training.ablation.plan import missing_data
from karyoscope.training.ablation.settings import AblationSettings, recipe_of
from karyoscope.training.data.folds import check_division, divided_images, division
from karyoscope.training.data.images import open_source
from karyoscope.training.recipe.reading import load_recipe
from karyoscope.training.recipe.schema import Recipe


def division_file(row: Row, folds: int, settings: AblationSettings) -> Path:
    """The file of a row's division, which rows that take its network share."""
    return settings.out / f"{row.trained_as or row.name}-folds{folds}.json"


def check_folds(row: Row, grid: Grid, settings: AblationSettings) -> None:
    """Raise where results of a row are of other images than its folds would have now."""
    if not grid.folds:
        return
    path = division_file(row, grid.folds, settings)
    trained_as = next((r for r in grid.rows if r.name == row.trained_as), row)
    recipe = load_recipe(*recipe_of(trained_as, grid, settings))
    # Without the images, what is finished can still be tabled.
    if path.is_file() and not missing_data(recipe):
        check_division(path, divided_images(recipe, grid.folds))


def divide(recipe: Recipe, folds: int, path: Path) -> None:
    """Divide a row's images, once for all its trainings; a division of others is refused."""
    dataset = open_source(recipe.data[0], recipe.mpp)
    division(path, recipe, dataset, divided_images(recipe, folds), folds, seed=0)
