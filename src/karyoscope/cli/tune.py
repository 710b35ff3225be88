"""``karyoscope tune``: search the post-processing parameters of a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from karyoscope.cli._choices import Device, Views, names_of
from karyoscope.cli._tuning import TerminalListener
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
        Path | None, typer.Option(help="Tune on one part of this split; else on all images.")
    ] = None,
    part: Annotated[str, typer.Option(help="Name of that part.")] = "validation",
    score: Annotated[
        str,
        typer.Option(
            metavar="|".join(SCORES),
            help="What to raise: mpq_plus, pq or mean (of both) tunes the segmentation, r2 the"
            " counting, for which the bundle then keeps parameters of its own; `mean,r2` both.",
        ),
    ] = "mean",
    by_class: Annotated[
        str,
        typer.Option(
            metavar="|".join([*class_parameters(), "nothing"]),
            help="Parameters that may differ between classes, separated by commas.",
        ),
    ] = "class_weights",
    rounds: Annotated[int, typer.Option(help="Most passes over all parameters.", min=1)] = 2,
    check: Annotated[
        bool,
        typer.Option(
            "--cross-check",
            help="Also tune on half of the images and score the other half, both ways: the gain"
            " there is what tuning is worth. Without --out nothing else is done.",
        ),
    ] = False,
    tta: Annotated[Views, typer.Option(help="Views of an image that are averaged.")] = Views.ONE,
    stain: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|BUNDLE", help="Show the model another staining; give `segment` the same."
        ),
    ] = None,
    device: Annotated[Device, typer.Option(help="What runs the network.")] = Device.AUTO,
    workers: Annotated[int, typer.Option(help="Threads of the CPU; 0 for all.", min=0)] = 0,
) -> None:
    """Search thresholds, size limits and class weights on validation images.

    Never tune on the images that results are reported on. Prints one JSON object.
    """
    if out is None and not check:
        raise typer.BadParameter("give --out, --cross-check or both")
    with TerminalListener() as listener:
        result = tune_model(
            model,
            truth,
            out,
            scores=names_of("--score", score, SCORES),
            split=split,
            part=part,
            by_class=[] if by_class == "nothing" else [n for n in by_class.split(",") if n],
            rounds=rounds,
            check=check,
            tta=int(tta),
            stain=stain,
            device=device.value,
            threads=workers,
            listener=listener,
        )
    print(json.dumps(result.to_dict()))
