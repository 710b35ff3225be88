"""``karyoscope formats``: the output formats."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from karyoscope.cli.shared.terminal import terminal
from karyoscope.formats import format_rows, format_table
from karyoscope.pipeline import FORMATS

app = typer.Typer()


@app.command()
def formats(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> None:
    """List the output formats of `karyoscope segment --format`: files, content, what opens them.

    Names may be given in upper or lower case. docs/outputs.md describes every file and column.
    """
    rows = format_rows(FORMATS)
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    terminal().print(format_table(rows))
