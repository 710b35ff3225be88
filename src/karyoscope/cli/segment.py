"""``karyoscope segment``: slides in, tables of nuclei out."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from karyoscope.cli.shared.batch import TerminalListener
from karyoscope.cli.shared.choices import (
    MOST_THREADS,
    EngineName,
    Views,
    names_of,
    shipped_names,
    stain_of,
)
from karyoscope.cli.shared.plan import print_plan
from karyoscope.cli.shared.terminal import complain, report
from karyoscope.cluster import Cluster
from karyoscope.core.addresses import is_address
from karyoscope.core.faults import KINDS
from karyoscope.core.limits import check_radius
from karyoscope.core.plugins import named
from karyoscope.features import EXPANSION_UM, GROUPS, RADIUS_UM
from karyoscope.formats import WRITERS
from karyoscope.pipeline import (
    FEATURES,
    FORMATS,
    InvalidOptions,
    LocalExecutor,
    Roi,
    SegmentOptions,
    plan_slides,
    segment_slides,
)

app = typer.Typer()

_FORMATS, _FEATURES = ",".join(FORMATS), ",".join(FEATURES)


Inputs = Annotated[
    list[str], typer.Argument(help="Slides, images, folders, globs, or a sample sheet (.csv).")
]
Out = Annotated[
    str, typer.Option(metavar="FOLDER", help="Folder for the results, or its address (s3://).")
]
ModelName = Annotated[
    str,
    typer.Option(
        help="A shipped model by name, or a bundle by path; `A,B` is the mean of two.",
        autocompletion=shipped_names,
    ),
]
Mpp = Annotated[
    float | None,
    typer.Option(help="Micrometres per pixel, where the files do not state it."),
]
OverrideMpp = Annotated[
    float | None,
    typer.Option(help="Micrometres per pixel, whatever the files state."),
]
Scene = Annotated[
    str | None,
    typer.Option(
        metavar="NUMBER|NAME",
        help="Which image of a file that holds several; by default the largest, with a warning.",
    ),
]
Formats = Annotated[
    str,
    typer.Option(
        "--format",
        help=f"Formats to write, separated by commas, of {', '.join(WRITERS)};"
        " see `karyoscope formats`.",
    ),
]
Features = Annotated[
    str,
    typer.Option(
        metavar="|".join(GROUPS),
        help="Groups of features to measure, separated by commas; '' for none.",
    ),
]
Radius = Annotated[
    float, typer.Option(help="Radius of the neighbourhood of local densities, in µm.")
]
Expansion = Annotated[
    float, typer.Option(help="Distance by which nuclei are expanded to cells, in µm.")
]
Region = Annotated[
    str | None,
    typer.Option(
        metavar="X,Y,W,H|FILE",
        help="Only this region, in pixels of level 0, or the polygons of a GeoJSON file.",
    ),
]
Tissue = Annotated[
    str,
    typer.Option(
        metavar="auto|none|FILE",
        help="Analyse the detected tissue (auto), everything (none), or the polygons of a"
        " GeoJSON file.",
    ),
]
Drawn = Annotated[
    str | None,
    typer.Option(
        "--annotations",
        metavar="FILE|FOLDER",
        help="Count by what was drawn in QuPath: a GeoJSON file, or a folder of files that are"
        " named after the slides. Writes <stem>.regions.csv; nothing is left out for it.",
    ),
]
Spatial = Annotated[
    bool,
    typer.Option(
        "--spatial",
        help="Score immune cells around epithelium, and nearest distances and co-occurrence of"
        " classes against random labelling. Writes <stem>.spatial.csv.",
    ),
]
Excluded = Annotated[
    str,
    typer.Option(
        metavar="|".join(KINDS),
        help="Faults of the slide whose nuclei and tissue are left out of all results, separated"
        " by commas.",
    ),
]
QualityControl = Annotated[
    bool,
    typer.Option(
        "--quality/--no-quality",
        help="Look for blur, pen, folds, bubbles, saturation and foreign stains on the slide.",
    ),
]
Stain = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|BUNDLE",
        help="Normalise the stain: macenko:IMAGE, reinhard:IMAGE (a target image), clahe, or a"
        " bundle"
        " of `karyoscope restain train`.",
    ),
]
Averaged = Annotated[
    Views,
    typer.Option(
        help="Test-time augmentation: number of views averaged, up to 8 flips and rotations by 90°;"
        " 16: each twice, with changed stains."
    ),
]
Workers = Annotated[
    int, typer.Option(help="Threads of the CPU; 0 for all.", min=0, max=MOST_THREADS)
]
ClusterAddress = Annotated[
    str | None,
    typer.Option(
        metavar="auto|local|ADDRESS",
        help="Run on a Ray cluster, with --workers CPUs per task (0: two). auto: the cluster of"
        " this machine; local: processes on this machine; else the address of a cluster.",
    ),
]
Overwrite = Annotated[bool, typer.Option(help="Replace results that exist.")]
RetryFailed = Annotated[
    bool,
    typer.Option(
        "--retry-failed",
        help="Repeat only slides that failed or regions that could not be analysed.",
    ),
]
Preview = Annotated[
    bool,
    typer.Option(
        "--preview", help="First write <stem>.preview.jpg, which shows the area to analyse."
    ),
]
Recursive = Annotated[
    bool, typer.Option("--recursive", help="Take the slides of the folders in a folder, too.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be run, and write nothing.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON list.")]


@app.command()
def segment(
    inputs: Inputs,
    out: Out,
    model: ModelName = "lizard",
    mpp: Mpp = None,
    override_mpp: OverrideMpp = None,
    scene: Scene = None,
    formats: Formats = _FORMATS,
    features: Features = _FEATURES,
    radius: Radius = RADIUS_UM,
    cell_expansion: Expansion = EXPANSION_UM,
    roi: Region = None,
    tissue: Tissue = "auto",
    annotations: Drawn = None,
    spatial: Spatial = False,
    exclude: Excluded = "",
    quality: QualityControl = True,
    stain: Stain = None,
    device: EngineName = "auto",
    tta: Averaged = Views.ONE,
    workers: Workers = 0,
    cluster: ClusterAddress = None,
    overwrite: Overwrite = False,
    retry_failed: RetryFailed = False,
    preview: Preview = False,
    recursive: Recursive = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Find, outline and classify every nucleus of slides and images.

    Writes <stem>.geojson, .parquet, .csv, .labels.tif, .overlay.jpg and .summary.json for each
    input; coordinates are in pixels of level 0. Inputs that fail are reported, the others are
    processed, and the exit code is then 1. The same command resumes an interrupted run and skips
    finished slides. For several inputs, cohort.csv and cohort.html are written too.
    """
    wrong_radius = check_radius(radius)
    _require(not wrong_radius, f"--radius: {wrong_radius}")
    _require(not check_radius(cell_expansion), f"--cell-expansion: {check_radius(cell_expansion)}")
    _require(not (overwrite and retry_failed), "--overwrite runs all again, not --retry-failed")
    options = SegmentOptions(
        names_of("--format", formats, WRITERS),
        overwrite=overwrite,
        retry_failed=retry_failed,
        preview=preview,
        recursive=recursive,
        mpp=mpp,
        override_mpp=override_mpp,
        scene=scene,
        roi=_roi(roi),
        tissue=tissue,
        annotations=annotations,
        spatial=spatial,
        exclude=names_of("--exclude", exclude, KINDS),
        quality=quality,
        stain=stain_of(stain),
        features=names_of("--features", features, GROUPS),
        radius_um=radius,
        expansion_um=cell_expansion,
    )
    place = named(device), workers, int(tta)
    executor = LocalExecutor(*place) if cluster is None else Cluster(cluster, *place)
    listener = TerminalListener(bars=cluster is None, tables=not as_json, out=out)
    try:
        with closing(executor), listener:
            if dry_run:
                planned = plan_slides(inputs, out, model, options, executor)
                print_plan(planned, as_json)
                raise typer.Exit(int(planned.failed > 0))
            result = segment_slides(inputs, out, model, options, executor, listener)
    except InvalidOptions as error:
        raise typer.BadParameter(str(error)) from error
    except KeyboardInterrupt:
        if listener.current is None:
            raise
        complain(
            f"interrupted at {listener.current}; run the same command again to continue from there"
        )
        raise typer.Exit(130) from None  # or that of another signal; see shared.signals
    if result.cohort:
        report(f"{out}: {', '.join(file.name for file in result.cohort)}")
    if as_json:
        print(json.dumps(result.summaries, indent=2))
    if result.failed:
        complain(f"{result.failed} of {result.inputs} inputs failed or are incomplete")
    if result.failed or result.problems_after:
        raise typer.Exit(1)


def _roi(text: str | None) -> Roi | Path | str | None:
    if text is None:
        return None
    if is_address(text):
        return text
    if text.lower().endswith((".geojson", ".json", ".gz")) or Path(text).exists():
        return Path(text)
    usage = f"--roi takes X,Y,WIDTH,HEIGHT in whole pixels of level 0 or a file, not {text!r}"
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
