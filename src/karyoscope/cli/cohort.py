"""``karyoscope cohort``: a table of many slides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from karyoscope.cli.shared.terminal import complain, terminal
from karyoscope.formats.cohort import cohort_table
from karyoscope.report import summarise_cohort

app = typer.Typer()


@app.command()
def cohort(
    folder: Annotated[Path, typer.Argument(help="Folder with results of `karyoscope segment`.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> None:
    """Write cohort.csv, with one row per slide, and cohort.html with links to the reports.

    Reads the summaries in the folder; slides that failed stay listed until they succeed. The exit
    code is 1 if slides failed or are incomplete; the table then has the others, too.
    """
    found = summarise_cohort(folder)
    if as_json:
        print(json.dumps(found.rows, indent=2))
    else:
        terminal().print(cohort_table(found.rows))
        for path in found.files:
            print(path)
    if found.unfinished:
        complain(f"{found.unfinished} of {len(found.rows)} slides failed or are incomplete")
        raise typer.Exit(1)
