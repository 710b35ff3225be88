"""``karyoscope train``: run a recipe."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from karyoscope.cli._choices import Device, Log

app = typer.Typer()


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="Recipe (YAML).")],
    out: Annotated[Path, typer.Option(help="Folder for checkpoints, logs and sample tiles.")],
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Change a key: training.steps=1000.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint in --out.")] = False,
    packed: Annotated[
        Path | None, typer.Option(help="Training images that `karyoscope data pack` wrote.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--time", help="Train for so many seconds; the schedule is fitted to them.", min=1
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Train for so many steps; the schedule is fitted to them.", min=1),
    ] = None,
    log: Annotated[
        Log, typer.Option(help="Format of the curves; TensorBoard is written beside the CSV.")
    ] = Log.CSV,
    device: Annotated[Device, typer.Option(help="What trains the network.")] = Device.AUTO,
    devices: Annotated[
        int | None, typer.Option(help="GPUs (or processes) that share a step.", min=1)
    ] = None,
    workers: Annotated[int, typer.Option(help="Threads of the CPU; 0 for all.", min=0)] = 0,
) -> None:
    """Train a recipe. Needs the extra `train`."""
    from karyoscope.core.optional import require

    require("train", "torch", "timm", "lightning")
    import torch

    from karyoscope.training import load_recipe
    from karyoscope.training import train as run
    from karyoscope.training.budget import stretched

    if seconds is not None and (steps is not None or (devices or 1) > 1):
        raise typer.BadParameter("--time goes without --steps and with one device")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if workers:
        torch.set_num_threads(workers)
    also = [] if devices is None else [f"training.devices={devices}"]
    loaded = load_recipe(recipe, [*(changes or []), *also])
    if steps is not None:
        loaded = stretched(loaded, steps)
    last = run(loaded, out, resume, device.value, packed, log.value, seconds)
    # With several devices this program runs once for each.
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(last)
