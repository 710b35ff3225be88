"""``karyoscope evaluate``: predictions or a model against annotated images."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Dataset, Sample, open_dataset
from karyoscope.datasets.split import read_split
from karyoscope.evaluation import (
    FORMATS,
    GROUPINGS,
    ModelPredictions,
    Outcome,
    Prediction,
    Predictions,
    Rules,
    evaluate_predictions,
    open_predictions,
)
from karyoscope.evaluation.pictures import Pictures
from karyoscope.evaluation.report import prepare_folder, write_report
from karyoscope.evaluation.score import Watch
from karyoscope.evaluation.table import evaluation_table
from karyoscope.inference import Model, load_model
from karyoscope.metrics import PROTOCOLS
from karyoscope.pipeline import load_stain, stains_before

app = typer.Typer()

SplitFile = Annotated[
    Path | None, typer.Option(help="Score one part of this split (`karyoscope data split`).")
]
Records = Annotated[
    str | None,
    typer.Option(help="Images to score: a file with a name a line, or names and commas."),
]

Views = Annotated[
    int, typer.Option(help="Views averaged: 1, 2, 4, 8 (flips, quarter turns), 16 (and stains).")
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
    protocol: Annotated[str, typer.Option(help=f"One of {', '.join(PROTOCOLS)}.")] = "conic",
    by: Annotated[str | None, typer.Option(help="Also score each cohort or each source.")] = None,
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
        str | None, typer.Option("--format", help=f"Of the predictions: {', '.join(FORMATS)}.")
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
    tta: Views = 1,
    stain: Staining = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
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
    if by not in (None, *GROUPINGS):
        raise typer.BadParameter(f"--by takes {' or '.join(GROUPINGS)}, not {by!r}")
    rules = Rules(protocol, _wanted(split, part, records), patches)
    if out is not None:
        prepare_folder(out, overwrite)
    dataset = open_dataset(truth, layout, taxonomy=_taxonomy(classes), mpp=mpp)
    if model is not None:
        source: Predictions = _of_model(load_model(model, device, workers, tta), stain, workers)
    else:
        assert predictions is not None
        source = open_predictions(predictions, dataset, form, taxonomy=_taxonomy(predicted_classes))
    pictures = Pictures()
    outcome = _score(dataset, source, rules, pictures.add if out is not None else _nothing)
    data = outcome.to_dict(by)
    if out is not None:
        write_report(data, pictures, out)
    _print(data, as_json)


def _of_model(model: Model, stain: str | None, threads: int) -> Predictions:
    """Predictions that the model makes; what it cannot be shown is found out before they begin."""
    change = None if stain is None else load_stain(stain, model.mpp, threads)
    stains_before(model, change)
    return ModelPredictions(model, change)


def _score(truth: Dataset, source: Predictions, rules: Rules, watch: Watch) -> Outcome:
    """Score with a progress bar."""
    with _progress(len(truth if rules.records is None else rules.records)) as advance:

        def seen(sample: Sample, prediction: Prediction) -> None:
            advance()
            watch(sample, prediction)

        return evaluate_predictions(truth, source, rules, seen)


def _nothing(sample: Sample, prediction: Prediction) -> None:
    pass


def _taxonomy(name: str | None) -> Taxonomy | None:
    return None if name is None else Taxonomy.load(name)


def _wanted(split: Path | None, part: str, records: str | None) -> list[str] | None:
    """Names of the images to score; None for all."""
    if split is not None and records is not None:
        raise typer.BadParameter("give --split or --records, not both")
    if split is not None:
        parts = read_split(split).parts
        if part not in parts:
            raise KaryoscopeError(f"{split} has no part {part!r}; it has {', '.join(parts)}")
        return parts[part]
    if records is None:
        return None
    path = Path(records)
    text = path.read_text(encoding="utf-8") if path.is_file() else records.replace(",", "\n")
    return [line.strip() for line in text.splitlines() if line.strip()]


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on stderr, for as long as stderr is a terminal."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("scoring", total=total)
        yield lambda: bar.advance(task)


def _print(data: dict[str, Any], as_json: bool) -> None:
    print(json.dumps(data, indent=1)) if as_json else Console().print(evaluation_table(data))
    problems = data["scored"]["problems"]
    for line in (*data["scored"]["notes"], *problems):
        print(f"karyoscope: {line}", file=sys.stderr)
    if problems:
        raise typer.Exit(1)
