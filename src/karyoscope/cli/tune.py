"""``karyoscope tune``: search the post-processing parameters of a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets import merge_classes, open_dataset
from karyoscope.datasets.resample import resampled
from karyoscope.datasets.split import read_split
from karyoscope.evaluation.objectives import SCORES, Objective, Predicted
from karyoscope.evaluation.search_space import BY_CLASS, Params, search_space
from karyoscope.evaluation.tune import CrossCheck, cross_check, tune
from karyoscope.inference import Model, load_model
from karyoscope.inference.bundle import PostprocessingSpec
from karyoscope.inference.rewrite import rewrite_bundle
from karyoscope.pipeline import Stain, image_as_seen, load_stain
from karyoscope.pipeline.maps import image_maps

app = typer.Typer()

_CONSOLE = Console(stderr=True)


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
            help="What to raise: mpq_plus, pq or mean (of both) tunes the segmentation, r2 the"
            " counting, for which the bundle then keeps parameters of its own; `mean,r2` both."
        ),
    ] = "mean",
    by_class: Annotated[
        str,
        typer.Option(help=f"What may differ between classes: {', '.join(BY_CLASS)}; or nothing."),
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
    tta: Annotated[int, typer.Option(help="Views averaged: 1, 2, 4, 8 or 16.")] = 1,
    stain: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|BUNDLE", help="Show the model another staining; give `segment` the same."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    workers: Annotated[int, typer.Option(help="Threads of the CPU; 0 for all.", min=0)] = 0,
) -> None:
    """Search thresholds, size limits and class weights on validation images.

    Never tune on the images that results are reported on. Prints one JSON object.
    """
    if out is None and not check:
        raise typer.BadParameter("give --out, --cross-check or both")
    for name in score.split(","):
        if name not in SCORES:
            raise typer.BadParameter(f"--score takes {', '.join(SCORES)}, not {name!r}")
    own = [] if by_class == "nothing" else [name for name in by_class.split(",") if name]
    runner = load_model(model, device, workers, tta)
    for spec in _specs(runner).values():
        search_space(spec.name, runner.taxonomy, own)
    change = None if stain is None else load_stain(stain, runner.mpp, workers)
    images = _predicted(runner, truth, split, part, change)
    report: dict[str, Any] = {}
    changes: dict[str, Any] = {}
    for name in score.split(","):
        objective, search = SCORES[name], _Search(runner, images, SCORES[name], own, rounds)
        if check:
            report.setdefault("cross_check", {})[name] = _crossed(search.crossed())
        if out is not None:
            changes[objective.key], report[name] = search.tuned()
    if out is not None:
        rewrite_bundle(runner.bundle, out, changes)
    print(json.dumps(report))


class _Search:
    """The search for one score over one set of parameters."""

    def __init__(
        self,
        model: Model,
        images: list[Predicted],
        objective: Objective,
        by_class: list[str],
        rounds: int,
    ) -> None:
        self.model, self.images, self.objective, self.rounds = model, images, objective, rounds
        self.spec = _specs(model)[objective.key]
        self.space = search_space(self.spec.name, model.taxonomy, by_class)

    def score(self, images: Any, params: Params) -> float:
        """Score of a set of parameters on some images."""
        return self.objective.score(images, self.spec.name, params, self.model.taxonomy)

    def tuned(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Search on all images: what goes into the bundle, and what is told."""
        start = self.spec.params
        before = self.score(self.images, start)
        found = tune(
            lambda params: self.score(self.images, params), start, self.space, self.rounds, _watch
        )
        told = {"before": before, "after": found.score, "params": found.params}
        return {"name": self.spec.name, "params": found.params}, told

    def crossed(self) -> CrossCheck:
        """Search on each half of the images."""
        return cross_check(
            self.images, self.score, self.spec.params, self.space, self.rounds, _watch
        )


def _specs(model: Model) -> dict[str, PostprocessingSpec]:
    """Sets of parameters by the key of the bundle; counting starts from segmentation's."""
    card = model.bundle.card
    return {"postprocessing": card.postprocessing, "counting": card.counting or card.postprocessing}


def _predicted(
    model: Model, truth: Path, split: Path | None, part: str, stain: Stain | None
) -> list[Predicted]:
    """Run the network on the images, at its scale, to which their labels are brought too."""
    dataset = resampled(merge_classes(open_dataset(truth), model.taxonomy), model.mpp)
    records = dataset.records
    if split is not None:
        parts = read_split(split).parts
        if part not in parts:
            raise KaryoscopeError(f"{split} has no part {part!r}; it has {', '.join(parts)}")
        records = [record for record in records if record.name in set(parts[part])]
    if not records:
        raise KaryoscopeError(f"{truth} has none of the images of {split or 'a dataset'}")
    images = []
    card = model.bundle.card
    for record in track(records, "running the network", console=_CONSOLE, transient=True):
        sample = dataset.load(record)
        rgb = image_as_seen(sample.image, model, stain)
        maps = image_maps(model.predict, rgb, card.maps, model.context)
        images.append(Predicted(sample, maps))
    return images


def _watch(params: Params, value: float) -> None:
    _CONSOLE.print(f"{value:.4f} {json.dumps(params)}", soft_wrap=True, highlight=False)


def _crossed(found: CrossCheck) -> dict[str, Any]:
    """Tell on stderr, and return, what tuning does to images it has not seen."""
    for half, (own, other) in enumerate(zip(found.own, found.other, strict=True), 1):
        _CONSOLE.print(
            f"tuned on half {half}: {own[0]:.4f} -> {own[1]:.4f}; the other half"
            f" {other[0]:.4f} -> {other[1]:.4f}",
            highlight=False,
        )
    _CONSOLE.print(
        f"gain on the half not tuned on: {found.gain:+.4f} (on its own: {found.own_gain:+.4f})",
        highlight=False,
    )
    return {
        "gain": found.gain,
        "own_gain": found.own_gain,
        "own": found.own,
        "other": found.other,
        "params": found.params,
    }
