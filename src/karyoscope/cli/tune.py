"""``karyoscope tune``: search the post-processing parameters of a model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from karyoscope.cli.shared.choices import MOST_THREADS, EngineName, Views, names_of, stain_of
from karyoscope.cli.shared.tuning import TerminalListener
from karyoscope.core.plugins import named
from karyoscope.evaluation import tune_model
from karyoscope.evaluation.objectives import SCORES
from karyoscope.evaluation.search_space import class_parameters

app = typer.Typer()


@app.command("tune")
def tune_command(
    model: Annotated[str, typer.Argument(help="Bundle to tune; `A,B` is the mean of two.")],
    truth: Annotated[Path, typer.Option(help="Folder of annotated images.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the tuned bundle; replaced as a whole.")
    ] = None,
    split: Annotated[
        Path | None, typer.Option(help="Tune on one part of this split; by default on all images.")
    ] = None,
    part: Annotated[
        str | None, typer.Option(help="Name of that part: validation unless given.")
    ] = None,
    layout: Annotated[
        str | None, typer.Option(help="Layout of the images, where it is not recognised.")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(help="Taxonomy (name or file) of the class ids in a truth without one."),
    ] = None,
    mpp: Annotated[float | None, typer.Option(help="Micrometres per pixel of the images.")] = None,
    score: Annotated[
        str,
        typer.Option(
            metavar="|".join(SCORES),
            help="Score to maximise: mpq_plus, pq or their mean to tune the segmentation, r2 to"
            " tune"
            " counting, whose parameters the bundle keeps separately; `mean,r2` for both.",
        ),
    ] = "mean",
    by_class: Annotated[
        str,
        typer.Option(
            metavar="|".join([*class_parameters(), "nothing"]),
            help="Parameters that may differ between classes, separated by commas.",
        ),
    ] = "class_weights",
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Tune only this parameter, such as `class_weights`; repeatable.",
        ),
    ] = None,
    rounds: Annotated[
        int, typer.Option(help="Largest number of passes over all parameters.", min=1)
    ] = 2,
    check: Annotated[
        bool,
        typer.Option(
            "--cross-check",
            help="Two-fold cross-validation: tune on one half of the images, score the other,"
            " and print"
            " the gain. Without --out nothing else is done.",
        ),
    ] = False,
    tta: Annotated[
        Views, typer.Option(help="Number of views averaged (test-time augmentation).")
    ] = Views.ONE,
    stain: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|BUNDLE", help="Normalise the stain; use the same option with `segment`."
        ),
    ] = None,
    device: EngineName = "auto",
    workers: Annotated[
        int, typer.Option(help="Threads of the CPU; 0 for all.", min=0, max=MOST_THREADS)
    ] = 0,
) -> None:
    """Search thresholds, size limits and class weights on validation images.

    Never tune on the images that results are reported on. Prints one JSON object.
    """
    if part is not None and split is None:
        raise typer.BadParameter(f"--part {part} is a part of --split, which is not given")
    if out is None and not check:
        raise typer.BadParameter("give --out, --cross-check or both")
    with TerminalListener() as listener:
        result = tune_model(
            model,
            truth,
            out,
            scores=names_of("--score", score, SCORES),
            split=split,
            part=part or "validation",
            layout=layout,
            classes=classes,
            mpp=mpp,
            by_class=[] if by_class == "nothing" else [n for n in by_class.split(",") if n],
            only=only or (),
            rounds=rounds,
            check=check,
            tta=int(tta),
            stain=stain_of(stain),
            device=named(device),
            threads=workers,
            listener=listener,
        )
    for line in result.notes:
        print(f"karyoscope: {line}", file=sys.stderr)
    print(json.dumps(result.to_dict()))
