"""Arguments of the commands that train a recipe, on its own data or on a folder of the user's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from karyoscope.cli.shared.choices import MOST_THREADS, Device

RecipeName = Annotated[str | None, typer.Argument(help="Recipe: a shipped name or a YAML file.")]
OwnData = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Folder of annotated images; the recipe is `finetune` unless RECIPE is given.",
    ),
]
StartFrom = Annotated[
    str | None,
    typer.Option(
        "--start", metavar="MODEL|RUN", help="Begin with the weights of a model, bundle or run."
    ),
]
OwnLayout = Annotated[
    str | None, typer.Option("--layout", help="Layout of --data, where it is not recognised.")
]
OwnClasses = Annotated[
    str | None,
    typer.Option("--classes", help="Taxonomy (name or file) of the class ids of --data."),
]
OwnMpp = Annotated[
    float | None,
    typer.Option("--mpp", help="Micrometres per pixel of --data, where unknown."),
]
ValidatePart = Annotated[
    str | None, typer.Option("--part", help="Part to validate on; by default validation.")
]
RecipeChanges = Annotated[
    list[str] | None, typer.Option("--set", help="Change a key: training.steps=1000.")
]
StepsOfEach = Annotated[
    int | None,
    typer.Option(
        "--steps",
        help="Steps of each training; the schedule is fitted, except for keys of --set.",
        min=1,
    ),
]
TrainingDevice = Annotated[Device, typer.Option("--device", help="Device that trains the network.")]
TrainingWorkers = Annotated[
    int,
    typer.Option("--workers", help="Threads of the CPU; 0 for all.", min=0, max=MOST_THREADS),
]
