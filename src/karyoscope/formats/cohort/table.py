"""Many slides in one table: ``cohort.csv``, a row a slide.

The table is made of the summaries in a folder, so it can be made at any time, on any machine. Only
slides that failed have no summary; they are known from the run, and stay in the table until there
is one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.faults import KINDS
from karyoscope.core.files import read_bytes, read_json, remove_leftovers, write_text
from karyoscope.core.text import for_markup, for_terminal, from_csv
from karyoscope.formats.cohort.duplicates import note_copies
from karyoscope.formats.cohort.samples import read_samples
from karyoscope.formats.summaries.regions import csv_text
from karyoscope.formats.summaries.summary import LARGEST, SummaryWriter

NAME = "cohort.csv"

_LARGEST_TABLE = 1 << 28

_FAILED = "failed"
#: Columns of every row, with their unit and meaning; those of the classes follow.
COLUMNS: dict[str, tuple[str, str]] = {
    "slide": ("", "name of the file"),
    "result": ("", "common first part of the names of its output files"),
    "status": ("", "`ok`, `incomplete` (some of it could not be read or analysed) or `failed`"),
    "nuclei": ("", "number of nuclei"),
    "tissue_mm2": ("mm²", "tissue in what was analysed; densities refer to it"),
    "analysed_mm2": ("mm²", "area of the blocks that were analysed, glass included"),
    "density_per_mm2": ("1/mm²", "nuclei per mm² of tissue"),
    "mean_area_um2": ("µm²", "mean area of a nucleus"),
    "mpp": ("µm", "size of a pixel of level 0"),
    "mpp_source": ("", "source of the pixel size: `file`, `objective`, `given` or `override`"),
    "model": ("", "name and version of the model"),
    "software": ("", "program and version that wrote the result"),
    "warnings": ("", "warnings, separated by semicolons"),
    "error": ("", "reason of the failure"),
}
#: Columns of which there is one for each class.
CLASS_COLUMNS: dict[str, tuple[str, str]] = {
    "count_<class>": ("", "number of nuclei of the class"),
    "share_<class>": ("", "fraction of all nuclei, 0 to 1"),
    "density_<class>_per_mm2": ("1/mm²", "nuclei of the class per mm² of tissue"),
    "mean_area_<class>_um2": ("µm²", "mean area of a nucleus of the class"),
}
#: Columns of which there is one for each kind of fault, where these were looked for.
QUALITY_COLUMNS: dict[str, tuple[str, str]] = {
    "<fault>_share": ("", "fraction of the tissue that has the fault, 0 to 1"),
}
_BEFORE_SHEET = list(COLUMNS).index("status") + 1
_WORDS = {"slide", "mpp_source", "model", "software", "warnings"}
_NUMBERS = {name for name in COLUMNS if name.endswith(("nuclei", "_mm2", "_um2", "mpp"))}
_REQUIRED = ("nuclei", "analysed_mm2")
#: More nuclei, mm² or µm² than any slide has.
_MOST = 1e15
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
    return cohort_with_sheet(folder, failures)[0]


def cohort_with_sheet(
    folder: str | Path, failures: Mapping[str, tuple[str, str]] | None = None
) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows of :func:`cohort_rows`, and which of their columns are from a sample sheet."""
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
    ordered = [rows[stem] for stem in sorted(rows)]
    note_copies(ordered)
    return _with_sheet(ordered, read_samples(folder))


def _with_sheet(
    rows: list[dict[str, Any]], samples: Mapping[str, Mapping[str, str]]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The same rows with what the sample sheet says after their status, and its columns.

    One that the table has a column of already gets ``sheet_`` before its name.
    """
    own = {name for row in rows for name in row}
    said = dict.fromkeys(name for row in rows for name in samples.get(row["result"], {}))
    names = {name: f"sheet_{name}" if name in own else name for name in said}
    found = []
    for row in rows:
        columns = samples.get(row["result"], {})
        sheet = {shown: columns.get(name, "") for name, shown in names.items()}
        values = list(row.items())
        found.append(dict(values[:_BEFORE_SHEET]) | sheet | dict(values[_BEFORE_SHEET:]))
    return found, list(names.values())


def write_cohort_csv(folder: str | Path, rows: list[dict[str, Any]]) -> Path:
    """Write ``cohort.csv`` into a folder of results.

    Parameters
    ----------
    folder : path
    rows : list of dict
        One row a slide, from :func:`cohort_rows`.

    Returns
    -------
    Path
        The file. It appears whole, in the place of an earlier one.

    Raises
    ------
    KaryoscopeError
        If the file cannot be written.
    """
    path = Path(folder) / NAME
    remove_leftovers(path)
    write_text(path, csv_text(rows))
    return path


def class_colors(folder: str | Path) -> dict[str, tuple[int, int, int]]:
    """Colour of every class that a summary in the folder has, by name."""
    colors: dict[str, tuple[int, int, int]] = {}
    for path in sorted(Path(folder).glob("[!.]*" + SummaryWriter.suffix)):
        with suppress(
            KaryoscopeError, ValueError, KeyError, TypeError, AttributeError, OverflowError
        ):
            for c in read_json(path, LARGEST)["classes"]:
                red, green, blue = (int(part) for part in c["color"])
                colors.setdefault(str(c["name"]), (red, green, blue))
    return colors


def cohort_table(rows: list[dict[str, Any]]) -> Table:
    """Render the most important columns of the rows for the terminal."""
    table = Table(title=f"{len(rows)} slides")
    table.add_column("slide", overflow="fold")
    for heading in ("nuclei", "tissue mm²", "per mm²", "mean area µm²"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("status")
    for row in rows:
        style = {"ok": "", _FAILED: "red"}.get(row["status"], "yellow")
        status = row["error"] if row["status"] == _FAILED else row["status"]
        table.add_row(
            for_markup(row["slide"]),
            _cell(row["nuclei"], ",d"),
            _cell(row["tissue_mm2"], ".3g"),
            _cell(row["density_per_mm2"], ",.0f"),
            _cell(row["mean_area_um2"], ".1f"),
            Text(for_terminal(status), style=style),
        )
    return table


def _row(path: Path, stem: str) -> dict[str, Any]:
    try:
        summary = read_json(path, LARGEST)
        gaps = summary["unread_regions"] or summary.get("failed_regions")
        row = dict.fromkeys(COLUMNS) | {
            "slide": summary["slide"],
            "result": stem,
            "status": "incomplete" if gaps else "ok",
            **{name: summary[name] for name in COLUMNS if name in summary and name != "slide"},
            "model": "{name} {version}".format(**summary["model"]),
            "warnings": "; ".join(summary["warnings"]),
            "error": "",
        }
        for name in _WORDS & summary.keys():
            row[name] = _word(row[name])
        for name in _NUMBERS & summary.keys():
            row[name] = _number(row[name], name in _REQUIRED, name == "nuclei")
        for c in summary["classes"]:
            for column, source in zip(CLASS_COLUMNS, _OF_CLASS, strict=True):
                whole = source == "count"
                row[column.replace("<class>", _word(c["name"]))] = _number(c[source], whole, whole)
        immune = summary.get("spatial", {}).get("immune", {})
        row |= {_word(name): _number(value) for name, value in immune.items()}
        for of_kind in summary.get("quality", []):
            name = _word(of_kind["kind"])
            if name not in KINDS:
                raise ValueError(f"no kind of fault {name!r:.40}")
            row[f"{name}_share"] = _number(of_kind["share"])
        if sum(c["count"] for c in summary["classes"]) > row["nuclei"]:
            raise ValueError("its classes have more nuclei than there are")
        return row
    except KaryoscopeError as error:
        return _failure(path.name, stem, str(error))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        return _failure(path.name, stem, f"{path.name} is no summary of karyoscope: {error!r}")


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is not text")
    return value


def _number(value: Any, required: bool = False, whole: bool = False) -> Any:
    if value is None and not required:
        return None
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # What is compared is false for NaN, and safe for whole numbers of any length.
    if not number or not 0 <= value <= _MOST or (whole and not isinstance(value, int)):
        raise TypeError(f"{value!r:.40} is not {'a count' if whole else 'a number'}")
    return value


def _failure(slide: str, stem: str, why: str) -> dict[str, Any]:
    empty: dict[str, Any] = dict.fromkeys(COLUMNS)
    return empty | {"slide": slide, "result": stem, "status": _FAILED, "error": why, "warnings": ""}


def _earlier_failures(path: Path) -> list[tuple[str, str, str]]:
    """Slides that failed according to an earlier table: result, slide, why."""
    if not path.exists():
        return []
    try:
        text = io.StringIO(read_bytes(path, _LARGEST_TABLE).decode(), newline="")
        return [
            (from_csv(row["result"]), from_csv(row["slide"]), from_csv(row["error"]))
            for row in csv.DictReader(text)
            if row["status"] == _FAILED
        ]
    except (KaryoscopeError, ValueError, KeyError, AttributeError, csv.Error) as error:
        raise KaryoscopeError(
            f"{path} is no table of karyoscope; move it away and run again"
        ) from error


def _cell(value: Any, spec: str) -> str:
    return "" if value is None else format(value, spec)
