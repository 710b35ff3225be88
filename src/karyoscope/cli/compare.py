"""``karyoscope compare``: is one run better than another, and by how much?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from karyoscope.core.text import for_markup
from karyoscope.evaluation import compare as compare_evaluations
from karyoscope.evaluation import read_evaluation
from karyoscope.report import comparison_table

app = typer.Typer()


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(metavar="A.json", help="evaluation.json of one run.")],
    second: Annotated[Path, typer.Argument(metavar="B.json", help="That of the other.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Paired difference B - A of every score, with bootstrap intervals over source images.

    Both runs must be of the same images by the same protocol. In the table, differences whose
    interval excludes 0 are bold.
    """
    found = compare_evaluations(read_evaluation(first), read_evaluation(second)).to_dict()
    if as_json:
        print(json.dumps(found | {"a": str(first), "b": str(second)}, indent=1))
    else:
        named = f"A: {for_markup(str(first))}\nB: {for_markup(str(second))}"
        Console().print(named, comparison_table(found))
