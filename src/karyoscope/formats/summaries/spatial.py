"""Which classes lie near which: ``<stem>.spatial.csv``, a row an ordered pair of classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from karyoscope.formats.summaries.regions import csv_text
from karyoscope.formats.summaries.tally_writer import TallyWriter

COLUMNS: dict[str, tuple[str, str]] = {
    "from": ("", "class of the nuclei whose surroundings are looked at"),
    "to": ("", "class of their neighbours"),
    "nuclei_from": ("", "number of nuclei of the first class"),
    "nuclei_to": ("", "number of nuclei of the second class"),
    "nearest_um": ("µm", "median distance to the nearest other nucleus of the second class"),
    "nearest_ratio": (
        "",
        "mean of that distance (at most that to the 32nd nearest nucleus) / its mean over 199"
        " random labellings; below 1 nearer than at random",
    ),
    "nearest_z": ("", "its difference from that mean, in standard deviations of the labellings"),
    "nearest_p": ("", "two-sided p of the permutations, at least 1/200, not adjusted"),
    "cooccurrence": (
        "",
        "nuclei of the second class within `--radius` of one of the first / what random labelling"
        " makes of it; above 1 more often than at random",
    ),
    "cooccurrence_z": ("", "difference from random labelling, in standard deviations"),
    "cooccurrence_p": ("", "two-sided p of the permutations, at least 1/200, not adjusted"),
}
"""Columns with unit and definition."""


class SpatialWriter(TallyWriter):
    """CSV with a row for each ordered pair of classes; scores only where they were asked for."""

    name = "spatial"
    suffix = ".spatial.csv"
    about = "distances and co-occurrence of each pair of classes"
    opens_in = "pandas, R, spreadsheets"

    def _text(self, summary: dict[str, Any]) -> str:
        return csv_text(spatial_rows(summary))


def spatial_rows(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of the table, from a summary.

    Raises
    ------
    KeyError, TypeError
        If the mapping is not such an entry or summary.
    """
    scored = {(r["from"], r["to"]): r for r in summary.get("spatial", {}).get("pairs", [])}
    counts = {c["name"]: c["count"] for c in summary["classes"]}
    return [
        dict.fromkeys(COLUMNS)
        | {"from": a, "to": b, "nuclei_from": counts[a], "nuclei_to": counts[b]}
        | {name: value for name, value in scored.get((a, b), {}).items() if name in COLUMNS}
        for a in counts
        for b in counts
    ]
