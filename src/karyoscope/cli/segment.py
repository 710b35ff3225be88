"""``karyoscope segment``: slides in, tables of nuclei out."""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from karyoscope.errors import KaryoscopeError
from karyoscope.export import summary_table
from karyoscope.inference import load_model
from karyoscope.inference.model import Model
from karyoscope.pipeline import FORMATS, SegmentOptions, segment_file
from karyoscope.slides import find_slides

app = typer.Typer()


@app.command()
def segment(
    inputs: Annotated[list[str], typer.Argument(help="Slides, images, folders or globs.")],
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    model: Annotated[
        str, typer.Option(help="A shipped model by name, or a bundle by path.")
    ] = "lizard",
    mpp: Annotated[
        float | None,
        typer.Option(help="Micrometres per pixel, where the files do not state it."),
    ] = None,
    formats: Annotated[
        str, typer.Option("--format", help="Formats to write, separated by commas.")
    ] = ",".join(FORMATS),
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    tta: Annotated[
        int, typer.Option(help="Views averaged (flips, quarter turns): 1, 2, 4 or 8.")
    ] = 1,
    workers: Annotated[int, typer.Option(help="Threads of the CPU; 0 for all.", min=0)] = 0,
    overwrite: Annotated[bool, typer.Option(help="Replace results that exist.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> None:
    """Find, outline and classify every nucleus of slides and images.

    Writes <stem>.geojson, .parquet, .csv, .labels.tif, .overlay.png and .summary.json for each
    input; positions are in pixels of level 0. Inputs that fail are named, the others go on, and
    the exit code is then 1.
    """
    slides, problems = find_slides(inputs)
    for problem in problems:
        _complain(problem)
    runner = load_model(model, device, workers, tta) if slides else None
    options = SegmentOptions([f.strip() for f in formats.split(",") if f.strip()], overwrite)
    summaries: list[dict[str, Any]] = []
    failed = len(problems)
    claimed: dict[str, Path] = {}
    for path in slides:
        assert runner is not None
        try:
            first = claimed.setdefault(path.stem, path)
            if first != path:
                raise KaryoscopeError(f"{path}: its results would replace those of {first}")
            summary = _one(path, out, runner, mpp, options)
        except KaryoscopeError as error:
            failed += 1
            _complain(str(error))
            continue
        summaries.append(summary)
        if not as_json:
            Console().print(summary_table(summary))
    if as_json:
        print(json.dumps(summaries, indent=2))
    if failed:
        print(f"karyoscope: {failed} of {failed + len(summaries)} inputs failed", file=sys.stderr)
        raise typer.Exit(1)


def _one(
    path: Path, out: Path, model: Model, mpp: float | None, options: SegmentOptions
) -> dict[str, Any]:
    """Segment one slide with a progress bar; warnings become one line each."""
    started = time.perf_counter()
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(path.name, total=None)
            summary = segment_file(
                path,
                out,
                model,
                mpp,
                options,
                lambda p: bar.update(task, completed=p.blocks_done, total=p.blocks),
            )
    for warning in {str(w.message) for w in caught if issubclass(w.category, UserWarning)}:
        print(f"karyoscope: {path.name}: {warning}", file=sys.stderr)
    for line in summary["warnings"]:
        print(f"karyoscope: {path.name}: {line}", file=sys.stderr)
    elapsed = time.perf_counter() - started
    print(f"{path.name}: {summary['nuclei']:,} nuclei in {elapsed:.1f} s", file=sys.stderr)
    return summary


def _complain(message: str) -> None:
    print(f"karyoscope: {message}", file=sys.stderr)
