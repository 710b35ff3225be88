"""``karyoscope segment``: slides in, tables of nuclei out."""

from __future__ import annotations

import json
import math
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from karyoscope.cli._choices import names_of
from karyoscope.cli._terminal import complain, no_bar, progress_bar, warnings_told
from karyoscope.cluster import Cluster, segment_slides
from karyoscope.core.errors import KaryoscopeError
from karyoscope.export import WRITERS, summary_table
from karyoscope.export.cohort import NAME as COHORT
from karyoscope.export.cohort import write_cohort
from karyoscope.features import GROUPS, RADIUS_UM
from karyoscope.inference import DEVICES, VIEWS, Model
from karyoscope.pipeline import (
    FEATURES,
    FORMATS,
    PREVIEW_SUFFIX,
    Progress,
    Roi,
    RunBlocks,
    SegmentOptions,
    done_before,
    has_gaps,
    journal_folder,
    load_stain,
    prepare_model,
    run_blocks,
    segment_file,
    stains_before,
)
from karyoscope.slides import find_slides
from karyoscope.slides.base import slide_name

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
        str, typer.Option("--format", help="Formats to write, separated by commas.")
    ] = ",".join(FORMATS),
    features: Annotated[
        str,
        typer.Option(help=f"What to measure, of {', '.join(GROUPS)}; '' for nothing."),
    ] = ",".join(FEATURES),
    radius: Annotated[float, typer.Option(help="Of local densities, in µm.")] = RADIUS_UM,
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
    device: Annotated[str, typer.Option(help=f"{', '.join(DEVICES)}.")] = "auto",
    tta: Annotated[
        int,
        typer.Option(help="Views averaged: 1, 2, 4, 8 (flips, quarter turns), 16 (and stains)."),
    ] = 1,
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
    is done. Of several inputs, cohort.csv and cohort.html tell in one place.
    """
    written = names_of("--format", formats, WRITERS)
    options = SegmentOptions(written, overwrite, _roi(roi), tissue, retry_failed)
    measured = names_of("--features", features, GROUPS)
    _require(math.isfinite(radius) and radius > 0, f"--radius takes a length, not {radius:g}")
    options = replace(options, features=measured, radius_um=radius, preview=preview)
    _require(not (overwrite and retry_failed), "--overwrite runs all again, not --retry-failed")
    _require(device in DEVICES, f"--device takes {', '.join(DEVICES)}, not {device!r}")
    _require(tta in VIEWS, f"--tta takes {', '.join(map(str, VIEWS))} views, not {tta}")
    found, problems = find_slides(inputs)
    named = [Path(given) for given in inputs]
    slides = [path for path in found if path in named or not _is_result(path)]
    one = tissue in ("auto", "none") or len(slides) <= 1
    _require(one, f"--tissue {tissue} is drawn on one slide; {len(slides)} are given")
    for problem in problems:
        complain(problem)
    if slides:
        with ExitStack() as stack:
            if cluster is None:
                runner = prepare_model(model, device, workers, tta, options.formats)
            else:
                slides = [path.absolute() for path in slides]
                machines = Cluster(cluster, model, device, workers, tta, options.formats)
                runner = stack.enter_context(machines).model
            if stain is not None:
                options = replace(options, stain=load_stain(stain, runner.mpp, workers))
                stains_before(runner, options.stain)
            place: dict[str, Any] = {}
            if cluster is not None:
                place = {"run": machines.run_blocks, "bar": no_bar}
            job: Callable[[Path], dict[str, Any]] = partial(
                _one, out=out, model=runner, mpp=mpp, options=options, **place
            )
            if cluster is not None:
                job = stack.enter_context(segment_slides(machines, _distinct(slides), job))
            summaries, failed = _batch(slides, out, job, as_json)
    else:
        summaries, failed = [], 0
    if as_json:
        print(json.dumps(summaries, indent=2))
    failed += len(problems)
    if failed:
        complain(f"{failed} of {len(slides) + len(problems)} inputs failed or are incomplete")
        raise typer.Exit(1)


def _batch(
    slides: list[Path], out: Path, one: Callable[[Path], dict[str, Any]], quiet: bool
) -> tuple[list[dict[str, Any]], int]:
    """Segment slide after slide; the summaries, and how many slides failed or have gaps."""
    summaries: list[dict[str, Any]] = []
    failed = 0
    claimed: dict[str, Path] = {}
    problems: dict[str, tuple[str, str]] = {}
    for path in slides:
        try:
            first = claimed.setdefault(slide_name(path), path)
            if first != path:
                raise KaryoscopeError(f"{path}: its results would have the names of {first}'s")
            with warnings_told(path):
                summary = one(path)
        except (KaryoscopeError, OSError) as error:
            failed += 1
            line = f"{path}: {error.strerror or error}" if isinstance(error, OSError) else error
            complain(str(line))
            problems[slide_name(path)] = path.name, str(line)
            if journal_folder(path, out).exists():
                complain(f"{path.name}: what is done is kept; the same command again goes on")
        except KeyboardInterrupt:
            complain(f"interrupted at {path}; the same command again goes on from there")
            raise typer.Exit(130) from None
        except Exception:
            # A defect of ours; it must not cost the user the other slides.
            failed += 1
            traceback.print_exc()
            complain(f"{path}: this should not happen, please report the lines above")
            problems[slide_name(path)] = path.name, "a defect of karyoscope"
        else:
            failed += has_gaps(summary)
            summaries.append(summary)
            if not quiet:
                Console().print(summary_table(summary))
    if out.is_dir() and (len(slides) > 1 or (out / COHORT).exists()):
        try:
            write_cohort(out, problems)
        except KaryoscopeError as error:
            complain(str(error))
    return summaries, failed


def _distinct(slides: list[Path]) -> list[Path]:
    """Of slides whose results would have the same names, the first."""
    return list({slide_name(path): path for path in reversed(slides)}.values())[::-1]


def _one(
    path: Path,
    out: Path,
    model: Model,
    mpp: float | None,
    options: SegmentOptions,
    run: RunBlocks = run_blocks,
    bar: Callable[[str], AbstractContextManager[Callable[[Progress], None]]] = progress_bar,
) -> dict[str, Any]:
    """Segment one slide; its summary."""
    done = done_before(path, out, model, mpp, options)
    if done is not None:
        remedy = "--retry-failed runs the gaps again" if has_gaps(done) else "nothing to do"
        complain(f"{path.name}: done before with the same settings; {remedy}")
        return done
    started = time.perf_counter()
    kept = 0

    def watch(progress: Progress) -> None:
        nonlocal kept
        kept = progress.blocks_kept
        show(progress)

    with bar(path.name) as show:
        summary = segment_file(path, out, model, mpp, options, watch, run)
    for line in summary["warnings"]:
        complain(f"{path.name}: {line}")
    elapsed = time.perf_counter() - started
    before = f", {kept} blocks of an earlier run taken over" if kept else ""
    print(f"{path.name}: {summary['nuclei']:,} nuclei in {elapsed:.1f} s{before}", file=sys.stderr)
    return summary


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


def _is_result(path: Path) -> bool:
    """Whether an earlier run wrote an image, in case its folder is the input's."""
    written = [PREVIEW_SUFFIX, *(writer.suffix for writer in WRITERS.values())]
    suffixes = [suffix for suffix in written if path.name.endswith(suffix)]
    return any(
        path.with_name(path.name.removesuffix(suffix) + WRITERS["summary"].suffix).exists()
        for suffix in suffixes
    )


def _require(fits: bool, usage: str) -> None:
    """Stop with exit code 2 where an option makes no sense."""
    if not fits:
        raise typer.BadParameter(usage)
