"""Counts, shares, densities and mean areas per class: ``<stem>.summary.json`` and a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import UNCLASSIFIED
from karyoscope.core.text import for_markup, for_terminal
from karyoscope.export.base import Writer

#: What only the caller knows.
_TOLD = ("analysed_mm2", "seconds", "unread_regions", "failed_regions", "run", "warnings")


class SummaryWriter(Writer):
    """What was found, in one small JSON file.

    Attributes
    ----------
    analysed_mm2 : float
        Area that densities refer to: that of the whole image unless the caller, who knows the
        tissue or region that was analysed, sets it before :meth:`finish`.
    seconds : dict of str to float
        Time per stage, set by the caller before :meth:`finish`.
    unread_regions : list of [x, y, width, height]
        Places, in pixels of level 0, that are damaged and hold no nuclei for that reason; set by
        the caller before :meth:`finish`.
    failed_regions : list of [x, y, width, height]
        Places on which the model failed; set by the caller before :meth:`finish`.
    run : mapping
        What tells this run from one that would give other nuclei; set by the caller before
        :meth:`finish`.
    warnings : list of str
        What the reader of the result should know, set by the caller before :meth:`finish`.
    """

    name = "summary"
    suffix = ".summary.json"

    def _open(self) -> None:
        self.analysed_mm2 = self.context.area_mm2
        self.seconds: dict[str, float] = {}
        self.unread_regions: list[list[int]] = []
        self.failed_regions: list[list[int]] = []
        self.run: Mapping[str, Any] = {}
        self.warnings: list[str] = []
        self._counts = np.zeros(256, np.int64)
        self._areas = np.zeros(256)
        self.partial.touch()

    def _write(self, nuclei: Nuclei) -> None:
        self._counts += np.bincount(nuclei.class_id, minlength=256)
        self._areas += np.bincount(nuclei.class_id, nuclei.area_um2, minlength=256)

    def repeat(self, other: SummaryWriter) -> None:
        """Take over what the caller told another writer of the same slide."""
        for name in _TOLD:
            setattr(self, name, getattr(other, name))

    def recall(self, summary: Mapping[str, Any]) -> None:
        """Take over what an earlier summary of the same slide was told, as far as it says."""
        for name in _TOLD:
            setattr(self, name, summary.get(name, getattr(self, name)))

    def summary(self) -> dict[str, Any]:
        """What the file will hold, from the nuclei so far."""
        total = int(self._counts.sum())
        classes = list(self.context.taxonomy.classes)
        if self._counts[UNCLASSIFIED.id]:
            classes.append(UNCLASSIFIED)
        rows = []
        for c in classes:
            count = int(self._counts[c.id])
            rows.append(
                {
                    "id": c.id,
                    "name": c.name,
                    "color": list(c.color),
                    "count": count,
                    "share": _ratio(count, total, 5),
                    "density_per_mm2": _ratio(count, self.analysed_mm2, 2),
                    "mean_area_um2": _ratio(float(self._areas[c.id]), count, 2),
                }
            )
        return {
            **self.context.provenance(),
            "analysed_mm2": round(self.analysed_mm2, 6),
            "nuclei": total,
            "density_per_mm2": _ratio(total, self.analysed_mm2, 2),
            "mean_area_um2": _ratio(float(self._areas.sum()), total, 2),
            "classes": rows,
            "seconds": {stage: round(value, 3) for stage, value in self.seconds.items()},
            "unread_regions": list(self.unread_regions),
            "failed_regions": list(self.failed_regions),
            "warnings": list(self.warnings),
            "run": dict(self.run),
        }

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


def _ratio(part: float, whole: float, decimals: int) -> float | None:
    """Quotient, or None where it has no meaning."""
    return round(part / whole, decimals) if whole > 0 else None
