"""``karyoscope ablate``: train the rows of a table and score them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from karyoscope.cli.shared.choices import Device
from karyoscope.cli.shared.recipe_options import TrainingWorkers
from karyoscope.cli.shared.terminal import complain, terminal
from karyoscope.cli.shared.torch import prepare_torch
from karyoscope.core.text import for_markup

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
        typer.Option(
            help="Budget of each training, instead of the grid's: seconds of processor time of all"
            " threads together on a CPU, of the clock on a GPU; without scoring.",
            min=1,
        ),
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
    folds: Annotated[
        int | None,
        typer.Option(
            help="Number of folds: each row is trained without each fold in turn, and scored on"
            " that fold.",
            min=2,
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option(help="Keep finished rows in --out and continue the others.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="List the rows and what they lack (data, weights); train nothing."
        ),
    ] = False,
    device: Annotated[Device, typer.Option(help="Device that runs the networks.")] = Device.AUTO,
    workers: TrainingWorkers = 0,
) -> None:
    """Train and score each row of GRID with the same budget, print and write the table.

    Paths of shipped grids (../shared/data) are relative to the folder where the command runs. A row
    that fails is reported, the others are run, and the exit code is then 1. Needs the extra
    `train`.
    """
    from karyoscope.core.optional import require

    require("train", "torch", "timm", "lightning", "onnx")
    if sum(given is not None for given in (seconds, steps, epochs)) > 1:
        raise typer.BadParameter("give one of --seconds, --steps and --epochs")
    from karyoscope.training.ablation import (
        AblationSettings,
        Budget,
        ablate_to_table,
        differences,
        narrow_tables,
        plan_grid,
        problem_lines,
    )

    prepare_torch(workers, False, device.value)
    given = {"seconds": seconds, "steps": steps, "epochs": epochs}
    limits = {name: value for name, value in given.items() if value is not None}
    budget = Budget.model_validate(limits) if limits else None
    settings = AblationSettings(recipe, out, changes or [], device.value, workers)
    if dry_run:
        rows = plan_grid(grid, settings, budget, seeds, folds)
        cells = [[r.row.name, r.recipe, r.trainings, r.budget] for r in rows]
        terminal().print(table_of_cells(["row", "recipe", "trainings", "budget of each"], cells))
        for line in (*problem_lines(rows), *problem_lines(rows, remarks=True)):
            complain(line)
        if any(row.problems for row in rows):
            raise typer.Exit(1)
        return
    outcome = ablate_to_table(
        grid,
        settings,
        budget,
        seeds,
        resume,
        lambda line: print(line, file=sys.stderr),
        folds,
    )
    tables = narrow_tables(outcome)
    for table in tables:
        title = f"protocol {table.protocol}" if len(tables) > 1 else None
        terminal().print(table_of_cells(table.headings, table.rows, title))
    if differences(outcome):
        terminal().print(for_markup(differences(outcome)))
    print(f"All columns: {out / 'table.md'}, {out / 'table.csv'}", file=sys.stderr)
    for problem in outcome.problems:
        complain(problem)
    if outcome.problems:
        raise typer.Exit(1)


def table_of_cells(headings: list[str], rows: list[list[str]], title: str | None = None):  # type: ignore[no-untyped-def]
    """Table for a terminal whose scores are never cut short."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title=title, title_justify="left")
    for place, heading in enumerate(headings):
        # Names may be folded; a score that is cut short is of no use.
        table.add_column(heading, overflow="fold", no_wrap=place > 0)
    for row in rows:
        table.add_row(*map(for_markup, row))
    return table
