"""Numbers of each region that someone drew: ``<stem>.regions.csv``, a row a region."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from karyoscope.core.text import for_csv
from karyoscope.formats.summaries.tally_writer import TallyWriter

COLUMNS: dict[str, tuple[str, str]] = {
    "kind": (
        "",
        "`annotation`; `class`: all of a class together, what overlaps counted once; `outside`:"
        " what lies in none; `all`",
    ),
    "region": ("", "name of the annotation; one that has none is called by its class and a number"),
    "class": ("", "class of the annotation, as it was written"),
    "id": ("", "identifier of the annotation in its file"),
    "area_mm2": ("mm²", "area on the slide"),
    "analysed_mm2": ("mm²", "part of it in blocks that were analysed, glass included"),
    "tissue_mm2": ("mm²", "tissue in that; densities refer to it"),
    "nuclei": ("", "number of nuclei whose centroid lies in it"),
    "density_per_mm2": ("1/mm²", "nuclei per mm² of tissue"),
    "mean_area_um2": ("µm²", "mean area of a nucleus"),
    "nearest_um": ("µm", "median distance of a nucleus to the nearest other one in the region"),
    "clark_evans": (
        "",
        "mean distance of a nucleus to the nearest other one, divided by its expected value under"
        " complete spatial randomness (Clark & Evans 1954, Donnelly's correction of 1978 for the"
        " edge): below 1 clustered, above 1 regular",
    ),
    "class_entropy_bits": ("bit", "Shannon's entropy of the shares of the classes of nuclei"),
}
"""Columns of every row, with unit and meaning; those by class of nucleus follow, then
``mean_<feature>`` of every measured feature but angles."""

_OF_CLASS = {
    "count_{}": "count",
    "share_{}": "share",
    "density_{}_per_mm2": "density_per_mm2",
    "mean_area_{}_um2": "mean_area_um2",
}


class RegionsWriter(TallyWriter):
    """CSV with a row for each annotation, each class of annotation, ``outside`` and ``all``.

    Without annotations there is the row ``all`` only.
    """

    name = "regions"
    about = "counts, areas, densities and spacing of each annotation"
    opens_in = "pandas, R, spreadsheets"
    suffix = ".regions.csv"

    def _text(self, summary: dict[str, Any]) -> str:
        rows = summary.get("regions") or [_all_of(summary, self.context.area_mm2)]
        return csv_text(map(flat, rows))


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """One row of a table from the numbers of a region.

    Parameters
    ----------
    row : mapping
        An entry of ``regions`` of a summary.

    Raises
    ------
    KeyError, TypeError
        If the mapping is not such an entry or summary.
    """
    found = {name: row.get(name) for name in COLUMNS}
    for of_class in row["classes"]:
        for column, source in _OF_CLASS.items():
            found[column.format(of_class["name"])] = of_class[source]
    found |= row.get("immune", {})
    return found | {f"mean_{name}": mean for name, mean in row.get("means", {}).items()}


def csv_text(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as CSV; columns in order of appearance, what is not known left empty."""
    rows = list(rows)
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: for_csv(v) if isinstance(v, str) else v for k, v in row.items()})
    return text.getvalue()


def _all_of(summary: Mapping[str, Any], area_mm2: float) -> dict[str, Any]:
    """The row of the whole slide, from what is known without annotations."""
    kept = ("analysed_mm2", "tissue_mm2", "nuclei", "density_per_mm2", "mean_area_um2", "classes")
    return {"kind": "all", "area_mm2": area_mm2} | {name: summary[name] for name in kept}
