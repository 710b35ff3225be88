"""Counts, shares, densities and mean areas per class: ``<stem>.summary.json`` and a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from karyoscope.core.text import for_markup, for_terminal
from karyoscope.formats.summaries.tally_writer import TallyWriter

LARGEST = 1 << 26
"""Most bytes of a summary that is read: a million regions that could not be read."""


class SummaryWriter(TallyWriter):
    """Numbers of nuclei and what the run reports, in one small JSON file."""

    name = "summary"
    about = "counts, shares, densities and what the run reports; always written"
    opens_in = "JSON readers"
    suffix = ".summary.json"

    def summary(self) -> dict[str, Any]:
        """The content of the file, from the nuclei so far."""
        return self._tally.summary(self.run)

    def _text(self, summary: dict[str, Any]) -> str:
        return json.dumps(summary, indent=2, ensure_ascii=False) + "\n"


def summary_table(summary: Mapping[str, Any]) -> Table:
    """Render the contents of a summary file for the terminal.

    Parameters
    ----------
    summary : mapping
        Result of :meth:`SummaryWriter.summary` or a ``.summary.json`` file.

    Returns
    -------
    rich.table.Table
        A row a class and a row for all.
    """
    table = Table(title=f"{for_markup(summary['slide'])}: {areas_line(summary)}")
    table.add_column("class")
    for heading in ("count", "share", "per mm² tissue", "mean area µm²"):
        table.add_column(heading, justify="right")
    for row in summary["classes"]:
        name = Text("● ", style="rgb({},{},{})".format(*row["color"])).append(
            for_terminal(row["name"]), style="default"
        )
        table.add_row(name, *_cells(row, row["share"]))
    table.add_section()
    table.add_row("all", *_cells({**summary, "count": summary["nuclei"]}, None), style="bold")
    return table


def areas_line(summary: Mapping[str, Any]) -> str:
    """Sentence with the area of tissue and the area that was analysed.

    Examples
    --------
    >>> areas_line({"tissue_mm2": 0.6381, "analysed_mm2": 1.64})
    '0.638 mm² of tissue in 1.64 mm² analysed'
    """
    tissue, analysed = summary.get("tissue_mm2"), summary["analysed_mm2"]
    said = "tissue not measured" if tissue is None else f"{tissue:.3g} mm² of tissue"
    return f"{said} in {analysed:.3g} mm² analysed"


def _cells(row: Mapping[str, Any], share: float | None) -> list[str]:
    density, area = row["density_per_mm2"], row["mean_area_um2"]
    return [
        f"{row['count']:,}",
        "" if share is None else f"{100 * share:.1f} %",
        "" if density is None else f"{density:,.0f}",
        "" if area is None else f"{area:.1f}",
    ]
