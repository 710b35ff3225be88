"""``karyoscope train``: run a recipe."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from karyoscope.cli.shared.choices import Device, Log
from karyoscope.cli.shared.recipe_options import (
    OwnClasses,
    OwnData,
    OwnLayout,
    OwnMpp,
    RecipeChanges,
    RecipeName,
    StartFrom,
    TrainingDevice,
    TrainingWorkers,
    ValidatePart,
)
from karyoscope.cli.shared.torch import prepare_torch

app = typer.Typer()


@app.command()
def train(
    recipe: RecipeName = None,
    out: Annotated[Path, typer.Option(help="Folder for checkpoints, logs and sample tiles.")] = ...,  # type: ignore[assignment]
    data: OwnData = None,
    start: StartFrom = None,
    layout: OwnLayout = None,
    classes: OwnClasses = None,
    mpp: OwnMpp = None,
    split: Annotated[
        Path | None,
        typer.Option(help="Split of --data (`karyoscope data split`); made if not given."),
    ] = None,
    part: ValidatePart = None,
    points: Annotated[
        Path | None,
        typer.Option(
            help="Folder of further images, beside --data, whose nuclei are points instead of"
            " outlines."
        ),
    ] = None,
    changes: RecipeChanges = None,
    resume: Annotated[
        bool, typer.Option(help="Continue from the last checkpoint in --out.")
    ] = False,
    packed: Annotated[
        Path | None, typer.Option(help="Training images that `karyoscope data pack` wrote.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--time", help="Train for this many seconds; the schedule is fitted to them.", min=1
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            help="Train for this many steps; the schedule is fitted to them, except for keys of"
            " --set.",
            min=1,
        ),
    ] = None,
    log: Annotated[
        Log, typer.Option(help="Format of the training log; others are written in addition to CSV.")
    ] = Log.CSV,
    device: TrainingDevice = Device.AUTO,
    devices: Annotated[
        int | None, typer.Option(help="Number of GPUs (or processes) that train together.", min=1)
    ] = None,
    workers: TrainingWorkers = 0,
) -> None:
    """Train a recipe, or fine-tune a model on a folder of annotated images.

    `karyoscope train --data FOLDER --start lizard --out RUN` needs no recipe: layout, classes,
    scale and split are recognised. Needs the extra `train`.
    """
    from karyoscope.core.optional import require

    require("train", "torch", "timm", "lightning")
    from karyoscope.training import RecipeSource, train_from

    if seconds is not None and (steps is not None or (devices or 1) > 1):
        raise typer.BadParameter("--time goes without --steps and with one device")
    own = {"layout": layout, "classes": classes, "mpp": mpp, "split": split, "part": part}
    own["points"] = points
    if data is None and any(value is not None for value in own.values()):
        given = next(name for name, value in own.items() if value is not None)
        raise typer.BadParameter(f"--{given} is of --data: in a recipe, change its own keys")
    prepare_torch(workers, device=device.value)
    last = train_from(
        RecipeSource(recipe, data, start, **own),  # type: ignore[arg-type]
        out,
        changes=changes or (),
        steps=steps,
        seconds=seconds,
        resume=resume,
        device=device.value,
        devices=devices,
        packed=packed,
        log_to=log.value,
    )
    # With several devices this program runs once for each.
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(last)
