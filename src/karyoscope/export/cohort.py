"""Many slides in one table: ``cohort.csv``, a row a slide.

The table is made of the summaries in a folder, so it can be made at any time, on any machine. Only
slides that failed have no summary; they are known from the run, and stay in the table until there
is one.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import write_text
from karyoscope.core.text import for_csv, for_markup, for_terminal, from_csv
from karyoscope.export.summary import SummaryWriter

NAME = "cohort.csv"

_FAILED = "failed"
#: Columns of every row, with their unit and meaning; those of the classes follow.
COLUMNS: dict[str, tuple[str, str]] = {
    "slide": ("", "name of the file"),
    "result": ("", "first part of the names of its results"),
    "status": ("", "`ok`, `incomplete` (some of it could not be read or analysed) or `failed`"),
    "nuclei": ("", "number of nuclei"),
    "analysed_mm2": ("mm²", "area that densities refer to"),
    "density_per_mm2": ("1/mm²", "nuclei by area"),
    "mean_area_um2": ("µm²", "mean area of a nucleus"),
    "model": ("", "name and version of the model"),
    "software": ("", "what wrote the result"),
    "warnings": ("", "what the reader should know, separated by semicolons"),
    "error": ("", "why it failed"),
}
#: Columns that there is one of a class.
CLASS_COLUMNS: dict[str, tuple[str, str]] = {
    "count_<class>": ("", "number of nuclei of the class"),
    "share_<class>": ("", "part of all nuclei, 0 to 1"),
    "density_<class>_per_mm2": ("1/mm²", "nuclei of the class by area"),
    "mean_area_<class>_um2": ("µm²", "mean area of a nucleus of the class"),
}
_OF_CLASS = ("count", "share", "density_per_mm2", "mean_area_um2")


def cohort_rows(
    folder: str | Path, failures: Mapping[str, tuple[str, str]] | None = None
) -> list[dict[str, Any]]:
    """One row a slide, from the summaries in a folder, by name.

    Parameters
    ----------
    folder : path
    failures : mapping of str to (str, str), optional
        Slides of this run that failed: first part of the names of results -> name of the file,
        and why. Those of an earlier table are known from there. A slide that has results is not
        among them, whatever went wrong when they were to be replaced.

    Raises
    ------
    KaryoscopeError
        If the folder is missing, or a table that is there cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise KaryoscopeError(f"no folder {folder}")
    rows: dict[str, dict[str, Any]] = {}
    for stem, slide, why in _earlier_failures(folder / NAME):
        rows[stem] = _failure(slide, stem, why)
    for stem, (slide, why) in (failures or {}).items():
        rows[stem] = _failure(slide, stem, why)
    for path in sorted(folder.glob("[!.]*" + SummaryWriter.suffix)):
        stem = path.name.removesuffix(SummaryWriter.suffix)
        rows[stem] = _row(path, stem)
    return [rows[stem] for stem in sorted(rows)]


def write_cohort_csv(folder: str | Path, rows: list[dict[str, Any]]) -> Path:
    """Write ``cohort.csv`` into a folder of results.

    Parameters
    ----------
    folder : path
    rows : list of dict
        From :func:`cohort_rows`.

    Returns
    -------
    Path
        The file. It appears whole, in the place of an earlier one.

    Raises
    ------
    KaryoscopeError
        If the file cannot be written.
    """
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: for_csv(v) if isinstance(v, str) else v for k, v in row.items()})
    path = Path(folder) / NAME
    write_text(path, text.getvalue())
    return path


def class_colors(folder: str | Path) -> dict[str, tuple[int, int, int]]:
    """Colour of every class that a summary in the folder has, by name."""
    colors: dict[str, tuple[int, int, int]] = {}
    for path in sorted(Path(folder).glob("[!.]*" + SummaryWriter.suffix)):
        with suppress(OSError, ValueError, KeyError, TypeError):
            for c in json.loads(path.read_text(encoding="utf-8"))["classes"]:
                red, green, blue = c["color"]
                colors.setdefault(c["name"], (red, green, blue))
    return colors


def cohort_table(rows: list[dict[str, Any]]) -> Table:
    """Render the rows for the terminal: what a person looks for first, not all columns."""
    table = Table(title=f"{len(rows)} slides")
    table.add_column("slide", overflow="fold")
    for heading in ("nuclei", "mm²", "per mm²", "mean area µm²"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("status")
    for row in rows:
        style = {"ok": "", _FAILED: "red"}.get(row["status"], "yellow")
        status = row["error"] if row["status"] == _FAILED else row["status"]
        table.add_row(
            for_markup(row["slide"]),
            _cell(row["nuclei"], ",d"),
            _cell(row["analysed_mm2"], ".3g"),
            _cell(row["density_per_mm2"], ",.0f"),
            _cell(row["mean_area_um2"], ".1f"),
            Text(for_terminal(status), style=style),
        )
    return table


def _row(path: Path, stem: str) -> dict[str, Any]:
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        gaps = summary["unread_regions"] or summary.get("failed_regions")
        row = {
            "slide": summary["slide"],
            "result": stem,
            "status": "incomplete" if gaps else "ok",
            **{name: summary[name] for name in COLUMNS if name in summary and name != "slide"},
            "model": "{name} {version}".format(**summary["model"]),
            "warnings": "; ".join(summary["warnings"]),
            "error": "",
        }
        for c in summary["classes"]:
            for column, source in zip(CLASS_COLUMNS, _OF_CLASS, strict=True):
                row[column.replace("<class>", c["name"])] = c[source]
        return row
    except (OSError, ValueError, KeyError, TypeError) as error:
        return _failure(path.name, stem, f"{path.name} is no summary of karyoscope: {error!r}")


def _failure(slide: str, stem: str, why: str) -> dict[str, Any]:
    empty: dict[str, Any] = dict.fromkeys(COLUMNS)
    return empty | {"slide": slide, "result": stem, "status": _FAILED, "error": why, "warnings": ""}


def _earlier_failures(path: Path) -> list[tuple[str, str, str]]:
    """Slides that failed according to an earlier table: result, slide, why."""
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                (from_csv(row["result"]), from_csv(row["slide"]), from_csv(row["error"]))
                for row in csv.DictReader(file)
                if row["status"] == _FAILED
            ]
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise KaryoscopeError(
            f"{path} is no table of karyoscope; move it away and run again"
        ) from error


def _cell(value: Any, spec: str) -> str:
    return "" if value is None else format(value, spec)
