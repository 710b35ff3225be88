"""``karyoscope tune``: search the post-processing parameters of a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from karyoscope.datasets import open_dataset
from karyoscope.datasets.split import read_split
from karyoscope.errors import KaryoscopeError
from karyoscope.evaluation.tune import BY_CLASS, Params, Predicted, evaluate_params, tune
from karyoscope.inference import load_model
from karyoscope.inference.rewrite import rewrite_bundle
from karyoscope.pipeline.maps import image_maps

app = typer.Typer()

SCORES = {
    "mpq_plus": ("mpq_plus",),
    "pq": ("pq",),
    "mean": ("mpq_plus", "pq"),
}


@app.command("tune")
def tune_command(
    model: Annotated[str, typer.Argument(help="Bundle to tune.")],
    truth: Annotated[Path, typer.Option(help="Folder of annotated images.")],
    out: Annotated[Path, typer.Option(help="Folder of the tuned bundle; replaced as a whole.")],
    split: Annotated[
        Path | None, typer.Option(help="Tune on one part of this split; else on all images.")
    ] = None,
    part: Annotated[str, typer.Option(help="Name of that part.")] = "validation",
    score: Annotated[
        str, typer.Option(help=f"What to raise: {', '.join(SCORES)} (of both).")
    ] = "mean",
    by_class: Annotated[
        str, typer.Option(help=f"What may differ between classes: {', '.join(BY_CLASS)}.")
    ] = "class_weights",
    rounds: Annotated[int, typer.Option(help="Most passes over all parameters.", min=1)] = 2,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    workers: Annotated[int, typer.Option(help="Threads of the CPU; 0 for all.", min=0)] = 0,
) -> None:
    """Search thresholds, size limits and class weights on validation images.

    Never tune on the images that results are reported on.
    """
    if score not in SCORES:
        raise typer.BadParameter(f"--score takes {' or '.join(SCORES)}, not {score!r}")
    own = [name for name in by_class.split(",") if name]
    if not set(own) <= set(BY_CLASS):
        raise typer.BadParameter(f"--by-class takes {', '.join(BY_CLASS)}, not {by_class!r}")
    console = Console(stderr=True)
    runner = load_model(model, device, workers)
    dataset = open_dataset(truth)
    names = set(read_split(split).parts[part]) if split else {r.name for r in dataset.records}
    records = [record for record in dataset.records if record.name in names]
    if not records:
        raise KaryoscopeError(f"{truth} has none of the images of {split}")
    images = []
    for record in track(records, "running the network", console=console, transient=True):
        sample = dataset.load(record)
        maps = image_maps(runner.predict, sample.image, runner.bundle.card.maps, runner.context)
        images.append(Predicted(sample, maps))
    spec = runner.bundle.card.postprocessing

    def score_of(params: Params) -> float:
        found = evaluate_params(images, spec.name, params, runner.taxonomy).compute()
        return sum(float(found[name]) for name in SCORES[score]) / len(SCORES[score])

    def watch(params: Params, value: float) -> None:
        console.print(f"{value:.4f} {json.dumps(params)}", soft_wrap=True, highlight=False)

    before = score_of(spec.params)
    result = tune(score_of, spec.params, runner.taxonomy, rounds, own, watch)
    rewrite_bundle(
        runner.bundle, out, {"postprocessing": {"name": spec.name, "params": result.params}}
    )
    print(json.dumps({"score": score, "before": before, "after": result.score} | result.params))
