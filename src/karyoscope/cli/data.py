"""``karyoscope data``: annotated images inspected, converted, split, packed and corrected."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from karyoscope.cli.shared.choices import Unit
from karyoscope.cli.shared.correction import collect_command, rank_command
from karyoscope.cli.shared.dataset_text import inspection_text, split_text
from karyoscope.cli.shared.terminal import counting_bar
from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets.convert import LAYOUTS
from karyoscope.datasets.from_paths import convert_images, inspect_images, split_images
from karyoscope.datasets.split import Split

app = typer.Typer(
    name="data",
    help="Inspect, convert, split and pack annotated images; rank tiles, collect corrections.",
    no_args_is_help=True,
)

app.command("rank")(rank_command)
app.command("collect")(collect_command)

Source = Annotated[Path, typer.Argument(help="Folder of annotated images.")]
LayoutName = Annotated[
    str | None, typer.Option("--layout", help="Layout, if it is not recognised.")
]
Mpp = Annotated[float | None, typer.Option(help="Micrometres per pixel of the images.")]
Classes = Annotated[
    str | None,
    typer.Option(help="Taxonomy (name or file) of the class ids in a folder without one."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command("inspect")
def inspect_command(
    source: Source,
    layout: LayoutName = None,
    mpp: Mpp = None,
    classes: Classes = None,
    sheet: Annotated[
        Path | None, typer.Option(help="File for a contact sheet: images with outlines (PNG).")
    ] = None,
    sheet_images: Annotated[
        int, typer.Option(help="Number of images on the contact sheet.", min=1)
    ] = 24,
    as_json: Json = False,
) -> None:
    """Count nuclei per class and image; report leakage between splits, duplicates and problems."""
    with counting_bar("reading") as bar:
        found = inspect_images(
            source,
            sheet,
            layout=layout,
            classes=classes,
            mpp=mpp,
            sheet_images=sheet_images,
            begin=bar.begin,
            watch=bar.advance,
        )
    print(json.dumps(found.to_dict(), indent=1) if as_json else inspection_text(found))


@app.command("convert")
def convert_command(
    source: Source,
    to: Annotated[str, typer.Option(metavar="|".join(LAYOUTS), help="Layout to write.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    layout: LayoutName = None,
    mpp: Mpp = None,
    classes: Classes = None,
    merge: Annotated[
        str | None, typer.Option(help="Write the classes of this taxonomy (name or file).")
    ] = None,
    to_mpp: Annotated[
        float | None,
        typer.Option(help="Resample images and labels to this many micrometres per pixel.", min=0),
    ] = None,
    split: Annotated[
        Path | None, typer.Option(help="Record the parts of this split in the new dataset.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace a dataset written before.")] = False,
    as_json: Json = False,
) -> None:
    """Write images and labels in another layout, losslessly unless they are resampled."""
    if to_mpp == 0:
        raise typer.BadParameter("--to-mpp takes more than 0")
    with counting_bar("converting") as bar:
        result = convert_images(
            source,
            to,
            out,
            layout=layout,
            classes=classes,
            mpp=mpp,
            merge=merge,
            to_mpp=to_mpp,
            split=split,
            overwrite=overwrite,
            begin=bar.begin,
            watch=bar.advance,
        )
    if as_json:
        print(json.dumps({"out": str(out), **vars(result)}, indent=1))
    else:
        print(f"{result.images} images with {result.nuclei} nuclei written to {out}")
        for line in (*result.notes, *result.problems):
            print(line, file=sys.stderr)
    if result.problems:
        raise typer.Exit(1)


@app.command("split")
def split_command(
    source: Source,
    part: Annotated[
        list[str] | None,
        typer.Option(help="Name and fraction of a part, such as train=0.8; repeatable."),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(help="Number of equal parts, called 1, 2, ..., instead of --part.", min=2),
    ] = None,
    by: Annotated[
        Unit,
        typer.Option(
            help="Unit that is kept in one part; with tile, tiles of one source may be in different"
            " parts,"
            " which makes scores too optimistic."
        ),
    ] = Unit.SOURCE,
    leave: Annotated[
        str | None,
        typer.Option(
            "--leave-out",
            help="Validate on this cohort and train on the others; all: each cohort in turn,"
            " --out is then"
            " a folder.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same split.")] = 0,
    out: Annotated[Path | None, typer.Option(help="JSON file to write.")] = None,
    layout: LayoutName = None,
    mpp: Mpp = None,
    classes: Classes = None,
    as_json: Json = False,
) -> None:
    """Divide the images by source, balanced over classes and cohorts, or hold out a cohort."""
    if leave is not None and (part or folds or by is Unit.TILE):
        raise typer.BadParameter("--leave-out goes without --part, --folds and --by tile")
    problems: list[str] = []
    with counting_bar("reading") as bar:
        found = split_images(
            source,
            _fractions(part) if folds is None else folds,
            out,
            layout=layout,
            classes=classes,
            mpp=mpp,
            by=by.value,
            held_out=leave,
            seed=seed,
            begin=bar.begin,
            watch=bar.advance,
            problem=problems.append,
        )
    _print_splits(found, as_json or out is None)
    for line in problems:
        print(line, file=sys.stderr)


def _print_splits(splits: dict[str, Split], as_json: bool) -> None:
    """One split as it is, several by the cohort that each leaves out."""
    if as_json:
        data = {cohort: split.to_dict() for cohort, split in splits.items()}
        print(json.dumps(data if len(data) > 1 else next(iter(data.values())), indent=1))
        return
    for cohort, split in splits.items():
        print(f"left out: {cohort}\n{split_text(split)}" if cohort else split_text(split))


@app.command("pack")
def pack_command(
    recipe: Annotated[Path, typer.Argument(help="Recipe: a shipped name or a YAML file.")],
    out: Annotated[Path, typer.Option(help="File to write (.safetensors; .zip with --compress).")],
    compress: Annotated[
        bool, typer.Option(help="Write a ZIP of compressed images, with the validation images.")
    ] = False,
    limit_mib: Annotated[
        float,
        typer.Option(
            help="Largest size of a compressed file, in MiB; images are compressed lossily if"
            " needed.",
            min=0.01,
        ),
    ] = 55,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Change a key: data.0.path=FOLDER.")
    ] = None,
) -> None:
    """Write the images of a recipe to one file, for a machine without the data."""
    from karyoscope.core.optional import require

    require("train", "torch", "timm", "lightning")
    from karyoscope.training.packed.recipe import pack_from

    suffix = ".zip" if compress else ".safetensors"
    if out.suffix != suffix:
        raise typer.BadParameter(f"--out takes a {suffix} file here, not {out.name!r}")
    limit = int(limit_mib * 2**20) if compress else None
    print(pack_from(recipe, out, changes=changes or (), limit=limit))


def _fractions(parts: list[str] | None) -> dict[str, float] | None:
    """The fraction of each part by its name, as ``--part`` gives them; None without any."""
    if not parts:
        return None
    fractions: dict[str, float] = {}
    for part in parts:
        name, _, fraction = part.partition("=")
        try:
            fractions[name] = float(fraction)
        except ValueError as error:
            raise KaryoscopeError(
                f"--part {part}: give a name and a fraction, such as train=0.8"
            ) from error
    return fractions
