"""``karyoscope cohort``: a table of many slides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from karyoscope.cli.shared.terminal import complain, terminal
from karyoscope.formats.cohort import cohort_rows, cohort_table
from karyoscope.report import write_cohort

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
    made = write_cohort(folder)
    rows = cohort_rows(folder)
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        terminal().print(cohort_table(rows))
        for path in made:
            print(path)
    failed = sum(row["status"] != "ok" for row in rows)
    if failed:
        complain(f"{failed} of {len(rows)} slides failed or are incomplete")
        raise typer.Exit(1)
