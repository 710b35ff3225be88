"""Pairs of classes of many slides in one table: ``cohort.spatial.csv``, a row a pair of a slide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from karyoscope.formats.cohort.rows import rows_of_slides, write_or_remove
from karyoscope.formats.summaries.spatial import spatial_rows

NAME = "cohort.spatial.csv"


def write_cohort_spatial(
    folder: str | Path, slides: Sequence[Mapping[str, Any]], sheet: Sequence[str] = ()
) -> list[Path]:
    """Write ``cohort.spatial.csv``, or remove an old one where no slide has such scores.

    Parameters
    ----------
    folder : path
        Folder that holds the results.
    slides : sequence of mapping
        Result of :func:`karyoscope.formats.cohort.cohort_rows`; slides that failed are left out.
    sheet : sequence of str
        Their columns that are from a sample sheet, which come before those of
        ``<stem>.spatial.csv``.

    Raises
    ------
    KaryoscopeError
        If the file cannot be written.
    """
    rows = rows_of_slides(
        folder,
        slides,
        sheet,
        lambda summary: spatial_rows(summary) if summary.get("spatial") else [],
    )
    return write_or_remove(Path(folder, NAME), rows)
