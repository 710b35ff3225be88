"""``karyoscope ablate``: train the rows of a table and score them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from karyoscope.cli._choices import Device
from karyoscope.core.errors import KaryoscopeError

app = typer.Typer()


@app.command()
def ablate(
    recipe: Annotated[str, typer.Argument(help="Recipe of the rows that name none.")],
    grid: Annotated[str, typer.Argument(help="Grid (YAML), or the name of a shipped one.")],
    out: Annotated[Path, typer.Option(help="Folder for runs, bundles and the table.")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a key of every row: training.batch_size=4."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Budget of each training instead of the grid's.", min=1)
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Likewise, in steps.", min=1)] = None,
    seeds: Annotated[int, typer.Option(help="Trainings of each row.", min=1)] = 1,
    resume: Annotated[
        bool, typer.Option(help="Keep finished rows in --out, go on with the others.")
    ] = False,
    device: Annotated[Device, typer.Option(help="What runs the networks.")] = Device.AUTO,
    workers: Annotated[int, typer.Option(help="Threads of the CPU; 0 for all.", min=0)] = 0,
) -> None:
    """Train each row of GRID under one budget, score it, print and write the table.

    A row that fails is named, the others go on, and the exit code is then 1. Needs
    `pip install karyoscope[train]`.
    """
    from karyoscope.core.optional import require

    require("train", "torch", "timm", "lightning", "onnx")
    if seconds is not None and steps is not None:
        raise typer.BadParameter("give --seconds or --steps, not both")
    import torch
    from rich.console import Console

    from karyoscope.training.ablate import Bench
    from karyoscope.training.ablate import ablate as run
    from karyoscope.training.ablation_table import table_of, write_table
    from karyoscope.training.grid import Budget, load_grid

    if workers:
        torch.set_num_threads(workers)
    rows = load_grid(grid)
    if seconds is not None or steps is not None:
        rows = rows.model_copy(update={"budget": Budget(seconds=seconds, steps=steps)})
    out.mkdir(parents=True, exist_ok=True)
    bench = Bench(recipe, out, changes or [], device.value, workers)
    outcome = run(rows, bench, seeds, resume, lambda line: print(line, file=sys.stderr))
    if not outcome.results:
        raise KaryoscopeError(f"every row failed; {outcome.problems[0]}")
    write_table(outcome, out)
    Console().print(_table(*table_of(outcome)))
    for problem in outcome.problems:
        print(f"karyoscope: {problem}", file=sys.stderr)
    if outcome.problems:
        raise typer.Exit(1)


def _table(headings: list[str], rows: list[list[str]]):  # type: ignore[no-untyped-def]
    from rich import box
    from rich.table import Table

    table = Table(*headings, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for row in rows:
        table.add_row(*row)
    return table
