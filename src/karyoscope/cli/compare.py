"""``karyoscope compare``: paired differences between two evaluations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from karyoscope.cli.shared.terminal import terminal
from karyoscope.core.text import for_markup
from karyoscope.evaluation import compare_files
from karyoscope.report import comparison_table

app = typer.Typer()


@app.command()
def compare(
    first: Annotated[
        Path, typer.Argument(metavar="A", help="evaluation.json of one run, or its folder.")
    ],
    second: Annotated[
        Path, typer.Argument(metavar="B", help="evaluation.json of the other run, or its folder.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Paired difference B - A of every score, with bootstrap intervals over source images.

    Both runs must have the same images and the same protocol. Where they were scored with
    different classes, scores that depend on classes are left out. In the table, differences whose
    interval excludes 0 are bold.
    """
    found = compare_files(first, second).to_dict()
    if as_json:
        print(json.dumps(found | {"a": str(first), "b": str(second)}, indent=1))
    else:
        named = f"A: {for_markup(str(first))}\nB: {for_markup(str(second))}"
        terminal().print(named, comparison_table(found))
        if "remark" in found:
            terminal().print(for_markup(found["remark"]), soft_wrap=True)
