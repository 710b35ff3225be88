"""``karyoscope evaluate``: predictions or a model against annotated images."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from karyoscope.cli.shared.choices import MOST_THREADS, EngineName, Grouping, Views, stain_of
from karyoscope.cli.shared.scoring import ScoringBar
from karyoscope.cli.shared.terminal import terminal
from karyoscope.core.plugins import named
from karyoscope.evaluation import FORMATS, ScoringOptions, names_listed
from karyoscope.evaluation import evaluate as evaluate_dataset
from karyoscope.evaluation.patches import SIZE
from karyoscope.metrics import PROTOCOLS
from karyoscope.report import evaluation_table

app = typer.Typer()

SplitFile = Annotated[
    Path | None, typer.Option(help="Score one part of this split (`karyoscope data split`).")
]
Records = Annotated[
    str | None,
    typer.Option(
        help="Names of the images to score: a file with one name per line, or names separated"
        " by commas."
    ),
]

Staining = Annotated[
    str | None,
    typer.Option(metavar="NAME|BUNDLE", help="Normalise the stain, as `segment --stain` does."),
]


Truth = Annotated[Path, typer.Option(help="Folder of annotated images.")]
Predictions = Annotated[
    Path | None, typer.Argument(help="Predictions: a folder, or a CoNIC array.")
]
ModelName = Annotated[
    str | None,
    typer.Option(
        help="Segment the images with this model (`A,B`: the mean of two) instead of reading"
        " predictions."
    ),
]
Protocol = Annotated[
    str, typer.Option(metavar="|".join(PROTOCOLS), help="Metrics and their conventions.")
]
GroupedBy = Annotated[
    Grouping | None, typer.Option(help="Also score each cohort or source separately.")
]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder for evaluation.json, images.csv and evaluation.html."),
]
Part = Annotated[str | None, typer.Option(help="Name of that part: validation unless given.")]
Patches = Annotated[
    int | None,
    typer.Option(
        help="256: score patches like CoNIC's (the default of that protocol); 0: whole images."
    ),
]
Layout = Annotated[
    str | None, typer.Option(help="Layout of the truth, where it is not recognised.")
]
Format = Annotated[
    str | None,
    typer.Option("--format", metavar="|".join(FORMATS), help="Format of the predictions."),
]
Classes = Annotated[
    str | None,
    typer.Option(help="Taxonomy (name or file) of the class ids in a truth without one."),
]
PredictedClasses = Annotated[
    str | None,
    typer.Option(help="Taxonomy of the predictions, if it differs from that of the truth."),
]
Mpp = Annotated[float | None, typer.Option(help="Micrometres per pixel of the images.")]
Averaged = Annotated[Views, typer.Option(help="Number of views averaged (test-time augmentation).")]
Workers = Annotated[
    int, typer.Option(help="Threads of the CPU; 0 for all.", min=0, max=MOST_THREADS)
]
Overwrite = Annotated[bool, typer.Option(help="Replace files in --out.")]
IntoCard = Annotated[
    bool,
    typer.Option(
        "--into-card",
        help="Write PQ, mPQ+ and R² with their intervals into the card of the bundle --model.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def evaluate(
    truth: Truth,
    predictions: Predictions = None,
    model: ModelName = None,
    protocol: Protocol = "conic",
    by: GroupedBy = None,
    out: Out = None,
    split: SplitFile = None,
    part: Part = None,
    records: Records = None,
    patches: Patches = None,
    layout: Layout = None,
    form: Format = None,
    classes: Classes = None,
    predicted_classes: PredictedClasses = None,
    mpp: Mpp = None,
    tta: Averaged = Views.ONE,
    stain: Staining = None,
    device: EngineName = "auto",
    workers: Workers = 0,
    overwrite: Overwrite = False,
    into_card: IntoCard = False,
    as_json: Json = False,
) -> None:
    """Score predicted nuclei against annotated images.

    PREDICTIONS are matched to the images by name; --model segments the images instead. Images
    that cannot be scored are reported, the others are scored, and the exit code is then 1.
    """
    if (predictions is None) == (model is None):
        raise typer.BadParameter("give either predictions or --model")
    if stain is not None and model is None:
        raise typer.BadParameter("--stain is for --model: predictions are as they are")
    if into_card and model is None:
        raise typer.BadParameter("--into-card is for --model: predictions have no card")
    if part is not None and split is None:
        raise typer.BadParameter(f"--part {part} is a part of --split, which is not given")
    if split is not None and records is not None:
        raise typer.BadParameter("give --split or --records, not both")
    if patches not in (None, 0, SIZE):
        raise typer.BadParameter(f"--patches takes {SIZE}, as CoNIC's, or 0 for whole images")
    names = None if records is None else names_listed(records)
    with ScoringBar() as bar:
        result = evaluate_dataset(
            truth,
            predictions,
            model=model,
            options=ScoringOptions(named(protocol), names, patches),
            split=split,
            part=part or "validation",
            layout=layout,
            form=form,
            classes=classes,
            predicted_classes=predicted_classes,
            mpp=mpp,
            tta=int(tta),
            stain=stain_of(stain),
            device=named(device),
            threads=workers,
            out=out,
            by=by,
            overwrite=overwrite,
            into_card=into_card,
            begin=bar.begin,
            watch=bar.advance,
        )
    _print(result.to_dict(by), as_json)


def _print(data: dict[str, Any], as_json: bool) -> None:
    print(json.dumps(data, indent=1)) if as_json else terminal().print(evaluation_table(data))
    problems = data["scored"]["problems"]
    for line in (*data["scored"]["notes"], *problems):
        print(f"karyoscope: {line}", file=sys.stderr)
    if problems:
        raise typer.Exit(1)
