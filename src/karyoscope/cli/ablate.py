"""``karyoscope ablate``: train the rows of a table and score them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from karyoscope.cli.shared.choices import MOST_THREADS, Device
from karyoscope.cli.shared.terminal import terminal
from karyoscope.cli.shared.torch import prepare_torch

app = typer.Typer()


@app.command()
def ablate(
    recipe: Annotated[str, typer.Argument(help="Recipe of all rows that do not name another.")],
    grid: Annotated[str, typer.Argument(help="Grid (YAML), or the name of a shipped one.")],
    out: Annotated[Path, typer.Option(help="Folder for runs, bundles and the table.")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a key of every row: training.batch_size=4."),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(help="Budget of each training in seconds, instead of the grid's.", min=1),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Budget of each training in steps.", min=1)
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(help="Budget of each training in passes over the training images.", min=0.001),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(help="Number of trainings of each row, instead of the grid's.", min=1),
    ] = None,
    resume: Annotated[
        bool, typer.Option(help="Keep finished rows in --out and continue the others.")
    ] = False,
    device: Annotated[Device, typer.Option(help="Device that runs the networks.")] = Device.AUTO,
    workers: Annotated[
        int, typer.Option(help="Threads of the CPU; 0 for all.", min=0, max=MOST_THREADS)
    ] = 0,
) -> None:
    """Train and score each row of GRID with the same budget, print and write the table.

    A row that fails is reported, the others are run, and the exit code is then 1.
    Needs the extra `train`.
    """
    from karyoscope.core.optional import require

    require("train", "torch", "timm", "lightning", "onnx")
    if sum(given is not None for given in (seconds, steps, epochs)) > 1:
        raise typer.BadParameter("give one of --seconds, --steps and --epochs")
    from karyoscope.training.ablation import (
        AblationSettings,
        Budget,
        ablate_to_table,
        narrow_table,
    )

    prepare_torch(workers, False, device.value)
    given = {"seconds": seconds, "steps": steps, "epochs": epochs}
    limits = {name: value for name, value in given.items() if value is not None}
    budget = Budget.model_validate(limits) if limits else None
    settings = AblationSettings(recipe, out, changes or [], device.value, workers)
    outcome = ablate_to_table(
        grid, settings, budget, seeds, resume, lambda line: print(line, file=sys.stderr)
    )
    terminal().print(_table(*narrow_table(outcome)))
    print(f"All columns: {out / 'table.md'}, {out / 'table.csv'}", file=sys.stderr)
    for problem in outcome.problems:
        print(f"karyoscope: {problem}", file=sys.stderr)
    if outcome.problems:
        raise typer.Exit(1)


def _table(headings: list[str], rows: list[list[str]]):  # type: ignore[no-untyped-def]
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for place, heading in enumerate(headings):
        # Names may be folded; a score that is cut short is of no use.
        table.add_column(heading, overflow="fold", no_wrap=place > 0 and heading != "published")
    for row in rows:
        table.add_row(*row)
    return table
