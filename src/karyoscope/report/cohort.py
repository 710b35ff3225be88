"""The page that shows many slides beside one another, with links to their reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import write_text
from karyoscope.export.cohort import class_colors, cohort_rows, write_cohort_csv
from karyoscope.export.report import ReportWriter
from karyoscope.export.summary import SummaryWriter
from karyoscope.report.page import render

PAGE = "cohort.html"


def write_cohort(
    folder: str | Path, failures: Mapping[str, tuple[str, str]] | None = None
) -> list[Path]:
    """Write ``cohort.csv`` and ``cohort.html`` into a folder of results.

    Parameters
    ----------
    folder : path
        Where the results of the slides are.
    failures : mapping of str to (str, str), optional
        Slides that failed; see :func:`karyoscope.export.cohort.cohort_rows`.

    Returns
    -------
    list of Path
        The two files. Each appears whole, in the place of an earlier one.

    Raises
    ------
    KaryoscopeError
        If the folder holds no results, or the files cannot be written.
    """
    folder = Path(folder)
    rows = cohort_rows(folder, failures)
    if not rows:
        raise KaryoscopeError(f"{folder} holds no results: no *{SummaryWriter.suffix}")
    reports = {
        row["result"]: row["result"] + ReportWriter.suffix
        for row in rows
        if (folder / (row["result"] + ReportWriter.suffix)).exists()
    }
    title = folder.resolve().name or "cohort"
    page = cohort_page(title, rows, reports, class_colors(folder))
    write_text(folder / PAGE, page)
    return [write_cohort_csv(folder, rows), folder / PAGE]


def cohort_page(
    title: str,
    rows: Sequence[Mapping[str, Any]],
    reports: Mapping[str, str],
    colors: Mapping[str, tuple[int, int, int]],
) -> str:
    """Lay the page out.

    Parameters
    ----------
    title : str
        Heading of the page.
    rows : sequence of mapping
        From :func:`karyoscope.export.cohort.cohort_rows`.
    reports : mapping of str to str
        Files of the reports by the ``result`` of the row.
    colors : mapping of str to (int, int, int)
        Colour of every class, by name.

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
        area=sum(row["analysed_mm2"] for row in done),
        failed=len(rows) - len(done),
    )


def _shares(
    row: Mapping[str, Any], colors: Mapping[str, tuple[int, int, int]]
) -> list[tuple[str, float, tuple[int, int, int]]]:
    """Name, share of all nuclei and colour of each class that the slide has."""
    return [
        (name, share, color)
        for name, color in colors.items()
        if (share := row.get(f"share_{name}"))
    ]
