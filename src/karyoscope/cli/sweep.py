"""``karyoscope sweep``: train a recipe with keys that Optuna chooses."""

from __future__ import annotations

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
    RecipeName,
    StartFrom,
    StepsOfEach,
    TrainingDevice,
    TrainingWorkers,
    ValidatePart,
)
from karyoscope.cli.shared.torch import prepare_torch

app = typer.Typer()


@app.command()
def sweep(
    recipe: RecipeName = None,
    space: Annotated[
        Path, typer.Option(help="YAML file: by key, a list of values, or {low: , high: }.")
    ] = ...,  # type: ignore[assignment]
    out: Annotated[Path, typer.Option(help="Folder for the runs and the table.")] = ...,  # type: ignore[assignment]
    data: OwnData = None,
    start: StartFrom = None,
    layout: OwnLayout = None,
    classes: OwnClasses = None,
    mpp: OwnMpp = None,
    split: Annotated[Path | None, typer.Option(help="Split of --data into parts.")] = None,
    part: ValidatePart = None,
    trials: Annotated[int, typer.Option(help="Number of trainings in all.", min=1)] = 20,
    score: Annotated[
        str | None,
        typer.Option(metavar="mpq_plus|pq|f_c|f_d", help="Validation score that is maximised."),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a key of every training: training.batch_size=4."),
    ] = None,
    steps: StepsOfEach = None,
    seed: Annotated[int, typer.Option(help="The same seed proposes the same values.")] = 0,
    device: TrainingDevice = Device.AUTO,
    workers: TrainingWorkers = 0,
) -> None:
    """Train RECIPE again and again, with keys that Optuna chooses by the validation score.

    Prints the trainings, the best first. The same command adds the trainings that are missing.
    Needs the extras `train` and `sweep`.
    """
    from karyoscope.core.optional import require

    require("train", "torch", "timm", "lightning", "onnx")
    require("sweep", "optuna", purpose="a sweep")
    from karyoscope.training.source import RecipeSource
    from karyoscope.training.sweep import sweep as run_sweep

    prepare_torch(workers)
    own = {"layout": layout, "classes": classes, "mpp": mpp, "split": split, "part": part}
    found = run_sweep(
        RecipeSource(recipe, data, start, **own),  # type: ignore[arg-type]
        space,
        out,
        trials=trials,
        score=score,
        changes=changes,
        steps=steps,
        seed=seed,
        device=device.value,
        say=lambda line: print(line, file=sys.stderr),
    )
    print(found.table(), end="")
    if any(trial.problem for trial in found.trials):
        raise typer.Exit(1)
