"""The page that shows many slides beside one another, with links to their reports."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import remove, remove_leftovers, write_text
from karyoscope.core.remarks import warn
from karyoscope.formats.cohort import (
    class_colors,
    cohort_regions,
    cohort_rows,
    cohort_with_sheet,
    copies,
    link_nuclei,
    write_cohort_csv,
    write_cohort_regions,
    write_cohort_spatial,
)
from karyoscope.formats.report.writer import ReportWriter
from karyoscope.formats.summaries.summary import SummaryWriter
from karyoscope.report.groups import NAME as GROUPS
from karyoscope.report.groups import GroupReport, group_figures, group_report, groups_csv
from karyoscope.report.page import render

PAGE = "cohort.html"

_MOST_REGIONS = 500
#: Headings of the columns of spatial scores, and how their numbers are written.
_SPATIAL = {
    "epithelium_mm2": ("epithelium, mm²", ".3g"),
    "stroma_mm2": ("stroma, mm²", ".3g"),
    "immune_epithelium_per_mm2": ("immune cells per mm² of epithelium", ",.0f"),
    "immune_edge_per_mm2": ("beside it", ",.0f"),
    "immune_beyond_per_mm2": ("farther away", ",.0f"),
    "stromal_til_percent": ("stromal TILs, %", ".3g"),
}


@dataclass(frozen=True)
class Cohort:
    """The results of many slides in one folder.

    Attributes
    ----------
    rows : list of dict
        One row per slide, those that failed included: the columns of ``cohort.csv``.
    files : list of path
        What was written; see :func:`write_cohort`.
    """

    rows: list[dict[str, Any]]
    files: list[Path]

    @property
    def unfinished(self) -> int:
        """Number of slides that failed or are incomplete."""
        return sum(row["status"] != "ok" for row in self.rows)


def summarise_cohort(folder: str | Path) -> Cohort:
    """Write the tables and the page of the slides in a folder of results, and return their rows.

    This is what ``karyoscope cohort`` does.

    Parameters
    ----------
    folder : path
        Folder with the results of ``karyoscope segment``.

    Returns
    -------
    Cohort
        The rows and the written files.

    Raises
    ------
    KaryoscopeError
        If the folder holds no results, or the files cannot be written.
    """
    files = write_cohort(folder)
    return Cohort(cohort_rows(folder), files)


def write_cohort(
    folder: str | Path, failures: Mapping[str, tuple[str, str]] | None = None
) -> list[Path]:
    """Write ``cohort.csv`` and ``cohort.html`` into a folder of results.

    Parameters
    ----------
    folder : path
        Where the results of the slides are.
    failures : mapping of str to (str, str), optional
        Slides that failed; see :func:`karyoscope.formats.cohort.cohort_rows`.

    Returns
    -------
    list of Path
        ``cohort.csv`` and ``cohort.html``; ``cohort.regions.csv`` where slides have annotations;
        ``cohort.spatial.csv`` where spatial scores were asked for; ``cohort.groups.csv`` where a
        sample sheet names groups; ``cohort.nuclei``, a folder with the GeoParquet files of all
        slides. Each appears whole, in the place of an earlier one.

    Raises
    ------
    KaryoscopeError
        If the folder holds no results, or the files cannot be written.
    """
    folder = Path(folder)
    rows, sheet = cohort_with_sheet(folder, failures)
    if not rows:
        raise KaryoscopeError(f"{folder} holds no results: no *{SummaryWriter.suffix}")
    for line in copies(rows):
        warn(line, stacklevel=2)
    reports = {
        row["result"]: row["result"] + ReportWriter.suffix
        for row in rows
        if os.path.exists(folder / (row["result"] + ReportWriter.suffix))  # also of too long names
    }
    regions = cohort_regions(folder, rows, sheet)
    groups = group_report(rows, regions)
    for line in groups.warnings if groups is not None else ():
        warn(line, stacklevel=2)
    title = folder.resolve().name or "cohort"
    page = cohort_page(title, rows, reports, class_colors(folder), sheet, regions, groups)
    remove_leftovers(folder / PAGE)
    write_text(folder / PAGE, page)
    return [
        write_cohort_csv(folder, rows),
        folder / PAGE,
        *write_cohort_regions(folder, regions),
        *write_cohort_spatial(folder, rows, sheet),
        *_write_groups(folder, groups),
        *link_nuclei(folder, rows),
    ]


def _write_groups(folder: Path, groups: GroupReport | None) -> list[Path]:
    """Write the comparison of the groups, or remove an old one where there are none."""
    path = folder / GROUPS
    remove_leftovers(path)
    if groups is None:
        remove(path)
        return []
    write_text(path, groups_csv(groups))
    return [path]


def cohort_page(
    title: str,
    rows: Sequence[Mapping[str, Any]],
    reports: Mapping[str, str],
    colors: Mapping[str, tuple[int, int, int]],
    sheet: Sequence[str] = (),
    regions: Sequence[Mapping[str, Any]] = (),
    groups: GroupReport | None = None,
) -> str:
    """Lay the page out.

    Parameters
    ----------
    title : str
        Heading of the page.
    rows : sequence of mapping
        Result of :func:`karyoscope.formats.cohort.cohort_rows`.
    reports : mapping of str to str
        Files of the reports by the ``result`` of the row.
    colors : mapping of str to (int, int, int)
        Colour of every class, by name.
    sheet : sequence of str
        Columns of the rows that are from a sample sheet.
    regions : sequence of mapping
        Result of :func:`karyoscope.formats.cohort.cohort_regions`.
    groups : GroupReport, optional
        Comparison of the groups that the sheet names.

    Returns
    -------
    str
        HTML.
    """
    done = [row for row in rows if row["status"] != "failed"]
    return render(
        "cohort.html.j2",
        title=title,
        rows=[(row, reports.get(row["result"]), _shares(row, colors)) for row in rows],
        colors=list(colors.items()),
        nuclei=sum(row["nuclei"] for row in done),
        area=sum(row["tissue_mm2"] or 0 for row in done),
        failed=len(rows) - len(done),
        sheet=sheet,
        spatial=[
            (name, *shown) for name, shown in _SPATIAL.items() if any(name in row for row in rows)
        ],
        regions=_region_rows(regions),
        drawn=len(regions),
        groups=groups,
        figures=[] if groups is None else group_figures(groups),
    )


def _region_rows(regions: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Rows of the table of regions: annotations by class, single ones of no class."""
    shown = [
        row
        for row in regions
        if row["kind"] in ("class", "outside") or (row["kind"] == "annotation" and not row["class"])
    ]
    return shown[:_MOST_REGIONS]


def _shares(
    row: Mapping[str, Any], colors: Mapping[str, tuple[int, int, int]]
) -> list[tuple[str, float, tuple[int, int, int]]]:
    """Name, share of all nuclei and colour of each class that the slide has."""
    return [
        (name, share, color)
        for name, color in colors.items()
        if (share := row.get(f"share_{name}"))
    ]
