"""``karyoscope train``: run a recipe."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="Recipe (YAML).")],
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and logs.")],
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Change a key: training.steps=1000.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint in --out.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    workers: Annotated[int, typer.Option(help="Threads of the CPU; 0 for all.", min=0)] = 0,
) -> None:
    """Train a recipe. Needs `pip install karyoscope[train]`."""
    from karyoscope.cli._extras import require

    require("train", "torch", "timm", "lightning")
    import torch

    from karyoscope.training import load_recipe
    from karyoscope.training import train as run

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if workers:
        torch.set_num_threads(workers)
    print(run(load_recipe(recipe, changes), out, resume, device))
