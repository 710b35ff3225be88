"""``karyoscope features``: measure nuclei that were found before."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from karyoscope.cli.shared.choices import names_of
from karyoscope.features import EXPANSION_UM, GROUPS, RADIUS_UM
from karyoscope.formats import WRITERS
from karyoscope.pipeline import add_features

app = typer.Typer()


@app.command()
def features(
    table: Annotated[Path, typer.Argument(help="A .parquet file of `karyoscope segment`.")],
    slide: Annotated[
        Path | None,
        typer.Option(help="The slide, for stain features and for formats with pixels."),
    ] = None,
    groups: Annotated[
        str,
        typer.Option(
            "--features",
            metavar="|".join(GROUPS),
            help="Groups of features to measure, separated by commas.",
        ),
    ] = "shape,neighbours",
    radius: Annotated[
        float, typer.Option(help="Radius of the neighbourhood of local densities, in µm.")
    ] = RADIUS_UM,
    cell_expansion: Annotated[
        float, typer.Option(help="Distance by which nuclei are expanded to cells, in µm.")
    ] = EXPANSION_UM,
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            help=f"Formats to write, separated by commas, of {', '.join(WRITERS)};"
            " see `karyoscope formats`.",
        ),
    ] = "parquet",
    out: Annotated[
        Path | None, typer.Option(help="Folder for the new files; by default that of the table.")
    ] = None,
    annotations: Annotated[
        Path | None,
        typer.Option(help="Count by what was drawn in QuPath on the slide, a GeoJSON file."),
    ] = None,
    spatial: Annotated[
        bool,
        typer.Option(
            "--spatial",
            help="Spatial scores, as in `karyoscope segment`; those of immune cells need --slide.",
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option(help="Replace existing files, including the table itself.")
    ] = False,
) -> None:
    """Add features to nuclei that were found before, and write them with the new columns.

    The values are the same as those of `karyoscope segment --features` and, with --annotations,
    those of regions.
    """
    made = add_features(
        table,
        out or table.parent,
        names_of("--features", groups, GROUPS),
        names_of("--format", formats, WRITERS),
        slide,
        radius,
        overwrite,
        annotations,
        spatial,
        cell_expansion,
    )
    for path in made:
        print(path)
