"""``karyoscope features``: measure nuclei that were found before."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from karyoscope.cli._choices import names_of
from karyoscope.export import WRITERS
from karyoscope.features import GROUPS, RADIUS_UM
from karyoscope.pipeline import add_features

app = typer.Typer()


@app.command()
def features(
    table: Annotated[Path, typer.Argument(help="A .parquet file of `karyoscope segment`.")],
    slide: Annotated[
        Path | None,
        typer.Option(help="The slide; for stain, and for formats that show pixels."),
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
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            help=f"Formats to write, separated by commas, of {', '.join(WRITERS)}.",
        ),
    ] = "parquet",
    out: Annotated[
        Path | None, typer.Option(help="Folder for the new files; the table's by default.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option(help="Replace files that exist; also the table itself.")
    ] = False,
) -> None:
    """Measure nuclei that were found before, and write them with the new columns.

    The columns are those that `karyoscope segment --features` would have given.
    """
    made = add_features(
        table,
        out or table.parent,
        names_of("--features", groups, GROUPS),
        names_of("--format", formats, WRITERS),
        slide,
        radius,
        overwrite,
    )
    for path in made:
        print(path)
