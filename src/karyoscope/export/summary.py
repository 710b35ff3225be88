"""Counts, shares, densities and mean areas per class: ``<stem>.summary.json`` and a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.text import for_markup, for_terminal
from karyoscope.export.base import Writer
from karyoscope.export.tally import Tally


class SummaryWriter(Writer):
    """Numbers of nuclei and what the run reports, in one small JSON file."""

    name = "summary"
    suffix = ".summary.json"
    reports_run = True

    def _open(self) -> None:
        self._tally = Tally(self.context)
        self.partial.touch()

    def _write(self, nuclei: Nuclei) -> None:
        self._tally.add(nuclei)

    def summary(self) -> dict[str, Any]:
        """The content of the file, from the nuclei so far."""
        return self._tally.summary(self.run)

    def _finish(self) -> None:
        text = json.dumps(self.summary(), indent=2, ensure_ascii=False)
        self.partial.write_text(text + "\n", encoding="utf-8")


def summary_table(summary: Mapping[str, Any]) -> Table:
    """Render the contents of a summary file for the terminal.

    Parameters
    ----------
    summary : mapping
        From :meth:`SummaryWriter.summary` or a ``.summary.json`` file.

    Returns
    -------
    rich.table.Table
        A row a class and a row for all.
    """
    table = Table(
        title=f"{for_markup(summary['slide'])}: {summary['analysed_mm2']:.3g} mm² analysed"
    )
    table.add_column("class")
    for heading in ("count", "share", "per mm²", "mean area µm²"):
        table.add_column(heading, justify="right")
    for row in summary["classes"]:
        name = Text("● ", style="rgb({},{},{})".format(*row["color"])).append(
            for_terminal(row["name"]), style="default"
        )
        table.add_row(name, *_cells(row, row["share"]))
    table.add_section()
    table.add_row("all", *_cells({**summary, "count": summary["nuclei"]}, None), style="bold")
    return table


def _cells(row: Mapping[str, Any], share: float | None) -> list[str]:
    density, area = row["density_per_mm2"], row["mean_area_um2"]
    return [
        f"{row['count']:,}",
        "" if share is None else f"{100 * share:.1f} %",
        "" if density is None else f"{density:,.0f}",
        "" if area is None else f"{area:.1f}",
    ]
