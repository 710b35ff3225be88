"""``karyoscope crossval``: train and score in folds, or with each cohort left out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from karyoscope.cli.shared.choices import Device
from karyoscope.cli.shared.recipe_options import (
    OwnClasses,
    OwnData,
    OwnLayout,
    OwnMpp,
    RecipeChanges,
    RecipeName,
    StartFrom,
    StepsOfEach,
    TrainingDevice,
    TrainingWorkers,
)
from karyoscope.cli.shared.torch import prepare_torch

app = typer.Typer()


@app.command()
def crossval(
    recipe: RecipeName = None,
    out: Annotated[Path, typer.Option(help="Folder for the runs and the table.")] = ...,  # type: ignore[assignment]
    data: OwnData = None,
    start: StartFrom = None,
    layout: OwnLayout = None,
    classes: OwnClasses = None,
    mpp: OwnMpp = None,
    folds: Annotated[
        int,
        typer.Option(help="Number of folds, between which source images are divided.", min=2),
    ] = 5,
    cohorts: Annotated[
        bool, typer.Option("--leave-cohorts-out", help="Leave out each cohort in turn instead.")
    ] = False,
    changes: RecipeChanges = None,
    steps: StepsOfEach = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same folds.")] = 0,
    device: TrainingDevice = Device.AUTO,
    workers: TrainingWorkers = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Train once for each fold on the others, and score every image by the model without it.

    Prints mean and standard deviation over folds, and all images together with 95 % intervals over
    sources. The same command continues where it was stopped. Needs the extra `train`.
    """
    from karyoscope.core.optional import require

    require("train", "torch", "timm", "lightning", "onnx")
    from karyoscope.training.crossval import cross_validate
    from karyoscope.training.source import RecipeSource

    prepare_torch(workers)
    found = cross_validate(
        RecipeSource(recipe, data, start, layout=layout, classes=classes, mpp=mpp),
        out,
        folds=None if cohorts else folds,
        changes=changes,
        steps=steps,
        seed=seed,
        device=device.value,
        threads=workers,
        say=lambda line: print(line, file=sys.stderr),
    )
    print(json.dumps(found.to_dict()) if as_json else found.table(), end="")
    if found.problems:
        raise typer.Exit(1)
