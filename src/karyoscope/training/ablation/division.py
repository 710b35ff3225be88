"""The division of a row's images: into folds, or into a cohort and the others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets.split import leave_out, write_split
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
    path = division_file(row, grid.folds or 0, settings)
    if not path.is_file():
        return
    trained_as = next((r for r in grid.rows if r.name == row.trained_as), row)
    recipe = load_recipe(*recipe_of(trained_as, grid, settings))
    # Without the images, what is finished can still be tabled.
    if not missing_data(recipe):
        check_division(path, divided_images(recipe, grid.folds or 0))


def divide(recipe: Recipe, folds: int, path: Path) -> None:
    """Divide a row's images, once for all its trainings; a division of others is refused."""
    dataset = open_source(recipe.data[0], recipe.mpp)
    division(path, recipe, dataset, divided_images(recipe, folds), folds, seed=0)


def without_cohort(cohort: str, recipe: Recipe, path: Path) -> list[str]:
    """Write the split that leaves a cohort out; return the changes of the recipe for it.

    Images that the recipe neither trains on nor validates on stay so.
    """
    dataset = open_source(recipe.data[0], recipe.mpp)
    used = {record.name for record in divided_images(recipe, 1)}
    # Nuclei are not counted for it.
    counts = [np.zeros(256, np.int64)] * len(dataset.records)
    split = leave_out(dataset.records, counts, dataset.taxonomy, cohort)
    changes = [f"validation.split={path}", "validation.part=validation"]
    rest = {record.name for record in dataset.records} - used
    if rest:
        # Each image has to be in a part; these are excluded from the one that is trained on.
        scored = [name for name in split.parts["validation"] if name in used]
        train = sorted({*split.parts["train"], *split.parts["validation"]} - {*scored})
        split = replace(split, parts={"train": train, "validation": scored})
        excluded = sorted({*recipe.data[0].exclude, *rest})
        changes.append(f"data.0.exclude={json.dumps(excluded)}")
    if not split.parts["validation"]:
        raise KaryoscopeError(f"cohort {cohort!r} has test images alone: nothing could be scored")
    write_split(split, path)
    return changes
