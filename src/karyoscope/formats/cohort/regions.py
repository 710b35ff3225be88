"""Regions of many slides in one table: ``cohort.regions.csv``, a row a region of a slide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from karyoscope.formats.cohort.rows import rows_of_slides, write_or_remove
from karyoscope.formats.summaries.regions import flat

NAME = "cohort.regions.csv"


def cohort_regions(
    folder: str | Path, slides: Sequence[Mapping[str, Any]], sheet: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Rows of the regions of all slides that have annotations.

    Parameters
    ----------
    folder : path
        Folder that holds the results.
    slides : sequence of mapping
        Result of :func:`karyoscope.formats.cohort.cohort_rows`; slides that failed are left out.
    sheet : sequence of str
        Their columns that are from a sample sheet.

    Returns
    -------
    list of dict
        ``slide``, ``result``, the columns of the sample sheet and those of ``<stem>.regions.csv``.
    """
    return rows_of_slides(
        folder, slides, sheet, lambda summary: [flat(row) for row in summary.get("regions", [])]
    )


def write_cohort_regions(folder: str | Path, rows: Sequence[Mapping[str, Any]]) -> list[Path]:
    """Write ``cohort.regions.csv``, or remove an old one where no slide has annotations.

    Raises
    ------
    KaryoscopeError
        If the file cannot be written.
    """
    return write_or_remove(Path(folder, NAME), rows)
