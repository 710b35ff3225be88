"""``karyoscope data``: look at annotated images, convert them, split them, pack them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from karyoscope.cli._choices import Unit
from karyoscope.cli._terminal import counting_bar
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import merge_classes, open_dataset
from karyoscope.datasets.base import Dataset, Sample
from karyoscope.datasets.convert import LAYOUTS, convert
from karyoscope.datasets.inspect import Inspection, inspect_dataset
from karyoscope.datasets.resample import AtScale, resampled
from karyoscope.datasets.sheet import ContactSheet
from karyoscope.datasets.split import (
    Split,
    apply_split,
    cohorts_of,
    count_nuclei,
    leave_out,
    read_split,
    split_records,
    write_split,
)
from karyoscope.datasets.writing import write_png

app = typer.Typer(
    name="data", help="Inspect, convert, split and pack annotated images.", no_args_is_help=True
)

Source = Annotated[Path, typer.Argument(help="Folder of annotated images.")]
LayoutName = Annotated[
    str | None, typer.Option("--layout", help="Layout, where it is not recognised.")
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
        Path | None, typer.Option(help="Write a picture of the images with outlines here (PNG).")
    ] = None,
    sheet_images: Annotated[int, typer.Option(help="Images on the picture.", min=1)] = 24,
    as_json: Json = False,
) -> None:
    """Count nuclei per class and image; name leaks between splits, duplicates and problems."""
    dataset = _open(source, layout, mpp, classes)
    picture = ContactSheet(dataset.taxonomy)
    step = max(1, -(-len(dataset) // sheet_images))
    chosen = {record.name for record in dataset.records[::step]}

    with counting_bar(len(dataset), "reading") as advance:

        def seen(sample: Sample) -> None:
            advance()
            if sheet is not None and sample.record.name in chosen:
                picture.add(sample)

        found = inspect_dataset(dataset, seen)
    if sheet is not None:
        write_png(sheet, picture.picture())
    print(json.dumps(found.to_dict(), indent=1) if as_json else _report(found))


@app.command("convert")
def convert_command(
    source: Source,
    to: Annotated[str, typer.Option(metavar="|".join(LAYOUTS), help="Layout to write.")],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
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
    split: Annotated[Path | None, typer.Option(help="Record the parts of this split.")] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace a dataset written before.")] = False,
    as_json: Json = False,
) -> None:
    """Write the same images and labels in another layout, losing no pixel unless resampled."""
    if to_mpp == 0:
        raise typer.BadParameter("--to-mpp takes more than 0")
    dataset = _open(source, layout, None, classes)
    dataset = (dataset if mpp is None else AtScale(dataset, mpp)).whole()
    if split is not None:
        apply_split(dataset, read_split(split))
    if merge is not None:
        dataset = merge_classes(dataset, Taxonomy.load(merge))
    if to_mpp is not None:
        dataset = resampled(dataset, to_mpp)
    with counting_bar(len(dataset), "converting") as advance:
        result = convert(dataset, to, out, overwrite=overwrite, seen=lambda sample: advance())
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
        list[str] | None, typer.Option(help="Name and share of a part, such as train=0.8.")
    ] = None,
    folds: Annotated[
        int | None, typer.Option(help="Equal parts called 1, 2, ... instead.", min=2)
    ] = None,
    by: Annotated[
        Unit, typer.Option(help="What is kept together; tiles of one source flatter the scores.")
    ] = Unit.SOURCE,
    leave: Annotated[
        str | None,
        typer.Option(
            "--leave-out",
            help="Validate on this cohort, train on the others; all: each in turn, --out a folder.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same split.")] = 0,
    out: Annotated[Path | None, typer.Option(help="JSON file to write.")] = None,
    layout: LayoutName = None,
    mpp: Mpp = None,
    classes: Classes = None,
    as_json: Json = False,
) -> None:
    """Part the images by source, balanced over classes and cohorts, or leave a cohort out."""
    if leave is not None and (part or folds or by is Unit.TILE):
        raise typer.BadParameter("--leave-out goes without --part, --folds and --by tile")
    dataset = _open(source, layout, mpp, classes)
    shares = _shares(part, folds)
    # Before any pixel is read.
    left = [] if leave is None else cohorts_of(dataset.records) if leave == "all" else [leave]
    with counting_bar(len(dataset), "reading") as advance:
        counts = count_nuclei(dataset, lambda sample: advance())
    about = (dataset.records, counts, dataset.taxonomy)
    if leave is None:
        found = {"": split_records(*about, shares, seed, by.value)}
    else:
        found = {cohort: leave_out(*about, cohort) for cohort in left}
    if out is not None:
        _write_splits(found, out, leave == "all")
    _print_splits(found, as_json or out is None)
    for line in dataset.problems:
        print(line, file=sys.stderr)


def _write_splits(splits: dict[str, Split], out: Path, in_folder: bool) -> None:
    """Write one file, or one for each cohort into a folder."""
    if in_folder:
        out.mkdir(parents=True, exist_ok=True)
    for cohort, split in splits.items():
        write_split(split, out / f"{cohort}.json" if in_folder else out)


def _print_splits(splits: dict[str, Split], as_json: bool) -> None:
    """One split as it is, several by the cohort that each leaves out."""
    if as_json:
        data = {cohort: split.to_dict() for cohort, split in splits.items()}
        print(json.dumps(data if len(data) > 1 else next(iter(data.values())), indent=1))
        return
    for cohort, split in splits.items():
        print(f"left out: {cohort}\n{_table(split)}" if cohort else _table(split))


@app.command("pack")
def pack_command(
    recipe: Annotated[Path, typer.Argument(help="Recipe (YAML).")],
    out: Annotated[Path, typer.Option(help="File to write (.safetensors; .zip with --compress).")],
    compress: Annotated[
        bool, typer.Option(help="Write the validation images too, and all as images in a ZIP.")
    ] = False,
    limit_mib: Annotated[
        float,
        typer.Option(
            help="MiB that a compressed file may have; images lose what is over.", min=0.01
        ),
    ] = 55,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Change a key: data.0.path=FOLDER.")
    ] = None,
) -> None:
    """Write the images of a recipe to one file, for a machine without the data."""
    from karyoscope.core.optional import require

    require("train", "torch", "timm", "lightning")
    from karyoscope.training import load_recipe
    from karyoscope.training.data import load_training_bank
    from karyoscope.training.pack_recipe import pack_recipe
    from karyoscope.training.packed import write_packed

    suffix = ".zip" if compress else ".safetensors"
    if out.suffix != suffix:
        raise typer.BadParameter(f"--out takes a {suffix} file here, not {out.name!r}")
    loaded = load_recipe(recipe, changes)
    if compress:
        print(f"{out}: {pack_recipe(loaded, out, int(limit_mib * 2**20))}")
        return
    bank = load_training_bank(loaded)
    write_packed(bank, loaded, out)
    print(f"{len(bank)} images with {len(bank.rgb)} pixels written to {out}")


def _open(source: Path, layout: str | None, mpp: float | None, classes: str | None) -> Dataset:
    taxonomy = None if classes is None else Taxonomy.load(classes)
    return open_dataset(source, layout, taxonomy=taxonomy, mpp=mpp)


def _shares(parts: list[str] | None, folds: int | None) -> dict[str, float]:
    if folds is not None:
        return {str(i + 1): 1 / folds for i in range(folds)}
    shares: dict[str, float] = {}
    for part in parts or ["train=0.8", "validation=0.2"]:
        name, _, share = part.partition("=")
        try:
            shares[name] = float(share)
        except ValueError as error:
            raise KaryoscopeError(f"--part {part}: give a name and a share, train=0.8") from error
    return shares


def _report(found: Inspection) -> str:
    """The inspection as text."""
    sources = {image.source for image in found.images}
    cohorts = sorted({image.cohort for image in found.images} - {""})
    splits = sorted({image.split for image in found.images} - {""})
    scale = ", ".join(f"{mpp:g} µm/px" for mpp in found.scales)
    lines = [
        f"layout    {found.layout}",
        f"scale     {scale or 'unknown, give --mpp'}",
        f"images    {len(found.images)} from {len(sources)} sources",
        f"cohorts   {', '.join(cohorts) or '-'}",
        f"splits    {', '.join(splits) or '-'}",
        f"nuclei    {sum(found.counts.values())}",
    ]
    for name, count in found.counts.items():
        area = f"  median {found.median_px[name]:.0f} px" if name in found.median_px else ""
        area += f" = {found.median_um2[name]:.1f} µm²" if name in found.median_um2 else ""
        lines.append(f"  {name:<22}{count:>9}{area}")
    if found.tiny:
        lines.append(f"  smaller than 10 px    {found.tiny:>9}")
    lines.append("per image")
    width = max([len(image.name) for image in found.images], default=0)
    for image in found.images:
        counts = ", ".join(f"{name} {count}" for name, count in image.counts.items())
        lines.append(f"  {image.name:<{width}}  {image.width} x {image.height}  {counts or 'none'}")
    for title, entries in (
        ("leaks: one source in several splits", found.leaks),
        ("images with the same pixels", found.duplicates),
        ("problems", found.problems),
    ):
        lines += [title] + [f"  {entry}" for entry in entries] if entries else []
    return "\n".join(lines)


def _table(split: Split) -> str:
    """Counts of each part as text."""
    lines = []
    for part, counts in split.counts.items():
        lines.append(f"{part}: {counts['images']} images from {counts['sources']} sources")
        for title in ("classes", "cohorts"):
            values = ", ".join(f"{k} {v}" for k, v in counts[title].items() if k)
            lines += [f"  {title}  {values}"] if values else []
    return "\n".join(lines)
