"""One table of what the summaries of many slides hold several rows of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import read_json, remove, remove_leftovers, write_text
from karyoscope.formats.summaries.regions import csv_text
from karyoscope.formats.summaries.summary import LARGEST, SummaryWriter


def rows_of_slides(
    folder: str | Path,
    slides: Sequence[Mapping[str, Any]],
    sheet: Sequence[str],
    rows_of: Callable[[dict[str, Any]], Iterable[Mapping[str, Any]]],
) -> list[dict[str, Any]]:
    """Rows of all slides, each after the slide's name, its result and columns of the sheet.

    Slides that failed, or whose summary cannot be read, have none; their row of the cohort says so.
    """
    found: list[dict[str, Any]] = []
    for slide in slides:
        if slide["status"] == "failed":
            continue
        try:
            summary = read_json(Path(folder, slide["result"] + SummaryWriter.suffix), LARGEST)
            rows = list(rows_of(summary))
        except (KaryoscopeError, KeyError, TypeError, AttributeError):
            continue
        head = {name: slide[name] for name in ("slide", "result", *sheet)}
        found += [{**head, **row} for row in rows]
    return found


def write_or_remove(path: Path, rows: Sequence[Mapping[str, Any]]) -> list[Path]:
    """Write a table, and return its path; without rows, remove an old one and return nothing."""
    remove_leftovers(path)
    if not rows:
        remove(path)
        return []
    write_text(path, csv_text(rows))
    return [path]
