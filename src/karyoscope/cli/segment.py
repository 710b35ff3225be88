"""``karyoscope segment``: slides in, tables of nuclei out."""

from __future__ import annotations

import json
import math
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from karyoscope.cli._batch import TerminalListener
from karyoscope.cli._choices import Device, Views, names_of
from karyoscope.cli._terminal import complain
from karyoscope.cluster import Cluster
from karyoscope.export import WRITERS
from karyoscope.features import GROUPS, RADIUS_UM
from karyoscope.pipeline import (
    FEATURES,
    FORMATS,
    InvalidOptions,
    LocalExecutor,
    Roi,
    SegmentOptions,
    segment_slides,
)

app = typer.Typer()


@app.command()
def segment(
    inputs: Annotated[list[str], typer.Argument(help="Slides, images, folders or globs.")],
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    model: Annotated[
        str,
        typer.Option(
            help="A shipped model by name, or a bundle by path; `A,B` is the mean of two."
        ),
    ] = "lizard",
    mpp: Annotated[
        float | None,
        typer.Option(help="Micrometres per pixel, where the files do not state it."),
    ] = None,
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            help=f"Formats to write, separated by commas, of {', '.join(WRITERS)}.",
        ),
    ] = ",".join(FORMATS),
    features: Annotated[
        str,
        typer.Option(
            metavar="|".join(GROUPS),
            help="Groups of features to measure, separated by commas; '' for none.",
        ),
    ] = ",".join(FEATURES),
    radius: Annotated[
        float, typer.Option(help="Radius of the neighbourhood of local densities, in µm.")
    ] = RADIUS_UM,
    roi: Annotated[
        str | None,
        typer.Option(metavar="X,Y,W,H", help="Only this region, in pixels of level 0."),
    ] = None,
    tissue: Annotated[
        str,
        typer.Option(
            metavar="auto|none|FILE",
            help="Leave blank glass out, or nothing, or all but the polygons of a GeoJSON file.",
        ),
    ] = "auto",
    stain: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|BUNDLE",
            help="Show the model another staining: macenko:IMAGE, reinhard:IMAGE (an image to"
            " resemble), clahe, or a bundle of `karyoscope restain train`.",
        ),
    ] = None,
    device: Annotated[Device, typer.Option(help="What runs the network.")] = Device.AUTO,
    tta: Annotated[
        Views,
        typer.Option(
            help="Views averaged: up to 8 flips and quarter turns; 16: each twice, other stains."
        ),
    ] = Views.ONE,
    workers: Annotated[int, typer.Option(help="Threads of the CPU; 0 for all.", min=0)] = 0,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS|local",
            help="Run on the machines of a Ray cluster, --workers CPUs a task (0: two).",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace results that exist.")] = False,
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="Run again what could not be read or analysed."),
    ] = False,
    preview: Annotated[
        bool,
        typer.Option("--preview", help="First write <stem>.preview.jpg: what will be analysed."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> None:
    """Find, outline and classify every nucleus of slides and images.

    Writes <stem>.geojson, .parquet, .csv, .labels.tif, .overlay.png and .summary.json for each
    input; positions are in pixels of level 0. Inputs that fail are named, the others go on, and
    the exit code is then 1. The same command again goes on where it was stopped, and leaves what
    is done. Several inputs also give cohort.csv and cohort.html.
    """
    radius_fits = math.isfinite(radius) and radius > 0
    _require(radius_fits, f"--radius takes a length, not {radius:g}")
    _require(not (overwrite and retry_failed), "--overwrite runs all again, not --retry-failed")
    options = SegmentOptions(
        names_of("--format", formats, WRITERS),
        overwrite=overwrite,
        retry_failed=retry_failed,
        preview=preview,
        mpp=mpp,
        roi=_roi(roi),
        tissue=tissue,
        stain=stain,
        features=names_of("--features", features, GROUPS),
        radius_um=radius,
    )
    place = device.value, workers, int(tta)
    executor = LocalExecutor(*place) if cluster is None else Cluster(cluster, *place)
    listener = TerminalListener(bars=cluster is None, tables=not as_json)
    try:
        with closing(executor), listener:
            result = segment_slides(inputs, out, model, options, executor, listener)
    except InvalidOptions as error:
        raise typer.BadParameter(str(error)) from error
    except KeyboardInterrupt:
        if listener.current is None:
            raise
        complain(f"interrupted at {listener.current}; the same command again goes on from there")
        raise typer.Exit(130) from None
    if as_json:
        print(json.dumps(result.summaries, indent=2))
    if result.failed:
        complain(f"{result.failed} of {result.inputs} inputs failed or are incomplete")
        raise typer.Exit(1)


def _roi(text: str | None) -> Roi | None:
    if text is None:
        return None
    usage = f"--roi takes X,Y,WIDTH,HEIGHT in whole pixels of level 0, not {text!r}"
    try:
        x, y, width, height = map(int, text.split(","))
    except ValueError as error:
        raise typer.BadParameter(usage) from error
    _require(width > 0 and height > 0, usage)
    return x, y, width, height


def _require(fits: bool, usage: str) -> None:
    """Stop with exit code 2 where an option makes no sense."""
    if not fits:
        raise typer.BadParameter(usage)
