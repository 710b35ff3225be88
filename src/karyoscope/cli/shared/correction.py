"""``karyoscope data rank`` and ``karyoscope data collect``: one round of correction."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from karyoscope.cli.shared.terminal import counting_bar


def rank_command(
    slides: Annotated[list[Path], typer.Argument(help="Slides or images.")],
    out: Annotated[
        Path, typer.Option(help="CSV file of tiles; regions for QuPath are written beside it.")
    ],
    model: Annotated[str, typer.Option(help="Model whose predictions are ranked.")] = "lizard",
    other: Annotated[
        str | None,
        typer.Option(help="Second model to compare with; by default the first with four views."),
    ] = None,
    count: Annotated[int, typer.Option(help="Tiles to list.", min=1)] = 20,
    tile: Annotated[float, typer.Option(help="Edge of a tile in micrometres.", min=10)] = 128.0,
    mpp: Annotated[
        float | None, typer.Option(help="Micrometres per pixel, where the files do not state it.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Threads of the CPU; 0 for all.", min=0)] = 0,
) -> None:
    """List the tiles to correct first: uncertain classes and predictions that disagree."""
    from karyoscope.evaluation.correction import rank_slides

    with counting_bar("ranking") as bar:
        ranking = rank_slides(
            slides,
            out,
            model,
            other,
            count=count,
            tile_um=tile,
            mpp=mpp,
            threads=workers,
            begin=bar.begin,
            watch=bar.advance,
        )
    for path in ranking.files:
        print(path)
    _end(ranking.problems)


def collect_command(
    corrected: Annotated[
        list[Path], typer.Argument(help="Corrected GeoJSON files, named after their slides.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    slides: Annotated[
        Path | None,
        typer.Option(help="Slide, or folder of slides, if they are not beside the files."),
    ] = None,
    mpp: Annotated[
        float | None, typer.Option(help="Micrometres per pixel, where the files do not state it.")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(help="Taxonomy (name or file); by default the class names that occur."),
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace a dataset written before.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write regions of class Reviewed and their nuclei as training data."""
    from karyoscope.evaluation.correction import collect

    found = collect(corrected, out, slides=slides, mpp=mpp, classes=classes, overwrite=overwrite)
    if as_json:
        print(json.dumps({"out": str(out), **vars(found)}, indent=1))
    else:
        print(f"{found.images} images with {found.nuclei} nuclei written to {out}")
    _end(found.problems)


def _end(problems: list[str]) -> None:
    for line in problems:
        print(f"karyoscope: {line}", file=sys.stderr)
    if problems:
        raise typer.Exit(1)
