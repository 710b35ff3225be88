"""``karyoscope cohort``: one table of many slides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from karyoscope.export.cohort import cohort_rows, cohort_table
from karyoscope.report import write_cohort

app = typer.Typer()


@app.command()
def cohort(
    folder: Annotated[Path, typer.Argument(help="Folder with results of `karyoscope segment`.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> None:
    """Write cohort.csv, a row a slide, and cohort.html, which links the reports.

    Reads the summaries in the folder; slides that failed stay listed until they succeed.
    """
    made = write_cohort(folder)
    rows = cohort_rows(folder)
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    Console().print(cohort_table(rows))
    for path in made:
        print(path)
