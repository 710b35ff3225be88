"""What a dry run prints."""

from __future__ import annotations

import json

from rich.table import Table

from karyoscope.cli.shared.terminal import complain, terminal
from karyoscope.core.text import for_markup
from karyoscope.pipeline import Plan

_STATES = {"new": "run", "begun": "continue", "done": "nothing to do", "failed": "cannot be run"}


def print_plan(plan: Plan, as_json: bool) -> None:
    """Print a plan as a table or as JSON on stdout, and what is wrong on stderr."""
    for line in (*plan.problems, *(slide.error for slide in plan.slides if slide.error)):
        complain(line)
    if as_json:
        print(json.dumps(plan.to_dict(), indent=2))
        return
    if not plan.slides:
        return
    table = Table(title=for_markup(f"{plan.model} on {plan.engine}: nothing is written"))
    table.add_column("slide", overflow="fold")
    table.add_column("would")
    for heading in ("pixels", "µm/px", "blocks", "mm² analysed"):
        table.add_column(heading, justify="right")
    for slide in plan.slides:
        cells = ["", "", "", ""]
        if slide.size is not None and slide.mpp is not None:
            pixels = f"{slide.size[0]:,} × {slide.size[1]:,}"
            cells = [pixels, f"{slide.mpp:.4g}", f"{slide.blocks:,}", f"{slide.analysed_mm2:.4g}"]
        table.add_row(for_markup(slide.path), _STATES[slide.state], *cells)
    terminal().print(table)
