"""``karyoscope evaluate``: predictions or a model against annotated images."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from karyoscope.cli._choices import Device, Grouping, Views
from karyoscope.cli._scoring import ScoringBar
from karyoscope.evaluation import FORMATS, ScoringOptions, names_of_part
from karyoscope.evaluation import evaluate as evaluate_dataset
from karyoscope.evaluation.pictures import Pictures
from karyoscope.evaluation.write import prepare_folder, write_report
from karyoscope.metrics import PROTOCOLS
from karyoscope.report import evaluation_table

app = typer.Typer()

SplitFile = Annotated[
    Path | None, typer.Option(help="Score one part of this split (`karyoscope data split`).")
]
Records = Annotated[
    str | None,
    typer.Option(help="Images to score: a file with a name a line, or names and commas."),
]

Staining = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|BUNDLE", help="Show the model another staining, as `segment --stain` does."
    ),
]


@app.command()
def evaluate(
    truth: Annotated[Path, typer.Option(help="Folder of annotated images.")],
    predictions: Annotated[
        Path | None, typer.Argument(help="Predictions: a folder, or a CoNIC array.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Segment the images with this model (`A,B`: the mean of two) instead."),
    ] = None,
    protocol: Annotated[
        str, typer.Option(metavar="|".join(PROTOCOLS), help="Metrics and their conventions.")
    ] = "conic",
    by: Annotated[
        Grouping | None, typer.Option(help="Also score each cohort or each source.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for evaluation.json, images.csv and evaluation.html."),
    ] = None,
    split: SplitFile = None,
    part: Annotated[str, typer.Option(help="Name of that part.")] = "validation",
    records: Records = None,
    patches: Annotated[
        int | None,
        typer.Option(help="256: score patches as CoNIC's, its default; 0: whole images."),
    ] = None,
    layout: Annotated[
        str | None, typer.Option(help="Layout of the truth, where it is not recognised.")
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="|".join(FORMATS), help="Format of the predictions."),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(help="Taxonomy (name or file) of the class ids in a truth without one."),
    ] = None,
    predicted_classes: Annotated[
        str | None,
        typer.Option(help="Taxonomy of the predictions, where it is not that of the truth."),
    ] = None,
    mpp: Annotated[float | None, typer.Option(help="Micrometres per pixel of the images.")] = None,
    tta: Annotated[Views, typer.Option(help="Views of an image that are averaged.")] = Views.ONE,
    stain: Staining = None,
    device: Annotated[Device, typer.Option(help="What runs the network.")] = Device.AUTO,
    workers: Annotated[int, typer.Option(help="Threads of the CPU; 0 for all.", min=0)] = 0,
    overwrite: Annotated[bool, typer.Option(help="Replace files in --out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score predicted nuclei against annotated images.

    PREDICTIONS are matched to the images by name; --model segments the images instead. Images
    that cannot be scored are named, the others go on, and the exit code is then 1.
    """
    if (predictions is None) == (model is None):
        raise typer.BadParameter("give either predictions or --model")
    if stain is not None and model is None:
        raise typer.BadParameter("--stain is for --model: predictions are as they are")
    options = ScoringOptions(protocol, _wanted(split, part, records), patches)
    if out is not None:
        prepare_folder(out, overwrite)
    pictures = Pictures() if out is not None else None
    with ScoringBar(None if pictures is None else pictures.add) as bar:
        result = evaluate_dataset(
            truth,
            predictions,
            model=model,
            options=options,
            layout=layout,
            form=form,
            classes=classes,
            predicted_classes=predicted_classes,
            mpp=mpp,
            tta=int(tta),
            stain=stain,
            device=device.value,
            threads=workers,
            begin=bar.begin,
            watch=bar.advance,
        )
    data = result.to_dict(by)
    if out is not None and pictures is not None:
        write_report(data, pictures, out)
    _print(data, as_json)


def _wanted(split: Path | None, part: str, records: str | None) -> list[str] | None:
    """Names of the images to score; None for all."""
    if split is not None and records is not None:
        raise typer.BadParameter("give --split or --records, not both")
    if split is not None:
        return names_of_part(split, part)
    if records is None:
        return None
    path = Path(records)
    text = path.read_text(encoding="utf-8") if path.is_file() else records.replace(",", "\n")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _print(data: dict[str, Any], as_json: bool) -> None:
    print(json.dumps(data, indent=1)) if as_json else Console().print(evaluation_table(data))
    problems = data["scored"]["problems"]
    for line in (*data["scored"]["notes"], *problems):
        print(f"karyoscope: {line}", file=sys.stderr)
    if problems:
        raise typer.Exit(1)
