"""Sample sheets: a CSV of slides, a row a slide, with what is known of each."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from karyoscope.core.addresses import is_address
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import read_bytes
from karyoscope.core.text import from_csv

SUFFIXES = (".csv", ".tsv")
"""Inputs of these names are sample sheets."""

USED = ("path", "mpp", "annotations", "tissue", "roi")
"""Columns that say how a slide is run; all others are kept as they are."""

_LARGEST = 1 << 26
_MOST_ROWS = 1_000_000


@dataclass(frozen=True)
class Sample:
    """One row of a sample sheet.

    Attributes
    ----------
    row : int
        Line of the file, from 1, where the row begins.
    path : str
        Slide; a relative path counts from the folder of the sheet.
    mpp : float, optional
        Micrometres per pixel, where the slide does not state it.
    annotations, tissue : str, optional
        GeoJSON files of the slide.
    roi : (int, int, int, int) or str, optional
        Region to analyse: x, y, width and height, or a GeoJSON file.
    columns : mapping of str to str
        All other columns, such as ``group`` and ``patient``.
    """

    row: int
    path: str
    mpp: float | None = None
    annotations: str | None = None
    tissue: str | None = None
    roi: tuple[int, int, int, int] | str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def options(self) -> dict[str, object]:
        """Options of the slide that the row states, by name."""
        found = {name: getattr(self, name) for name in USED[1:]}
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True)
class BadRow:
    """A row of a sample sheet that cannot be used.

    Attributes
    ----------
    line : str
        The problem, with sheet and row.
    path : str
        Its slide; empty where that is not known, or is in another row.
    columns : mapping of str to str
        All other columns.
    """

    line: str
    path: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


def is_sheet(given: str | Path) -> bool:
    """Whether an input is a sample sheet, by its name."""
    return str(given).lower().endswith(SUFFIXES)


def read_sheet(path: str | Path, base: str = "") -> tuple[list[Sample], list[BadRow]]:
    """Read a sample sheet.

    Columns are separated by commas, semicolons or tabs, whichever the first line has most of.
    ``path`` must be there; the names of :data:`USED` are read in upper and lower case. Empty rows
    are skipped.

    Parameters
    ----------
    path : path
    base : str
        Folder or address that relative paths count from; that of the sheet by default.

    Returns
    -------
    samples : list of Sample
        Rows that can be used.
    problems : list of BadRow
        One for each of the others.

    Raises
    ------
    KaryoscopeError
        If the file cannot be read, or has no column ``path`` or no row.
    """
    path = Path(path)
    try:
        text = read_bytes(path, _LARGEST).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise KaryoscopeError(f"{path} is no sample sheet: it is not UTF-8 text") from error
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = _header(next(reader, []), path)
        samples: list[Sample] = []
        problems: list[BadRow] = []
        rows: dict[str, int] = {}
        line = reader.line_num
        for values in reader:
            line, at = reader.line_num, line + 1
            if not any(value.strip() for value in values):
                continue
            if len(rows) > _MOST_ROWS:
                raise KaryoscopeError(f"{path} has more than {_MOST_ROWS:,} rows")
            cells = _cells(header, values)
            slide = cells["path"] and _from(base or str(path.parent), cells["path"])
            try:
                sample = _sample(at, header, values, delimiter, base or str(path.parent))
                slide = ""  # what follows is wrong with a slide that has a row
                before = rows.setdefault(sample.path, at)
                if before != at:
                    raise ValueError(f"{sample.path} is in row {before}, too")
                samples.append(sample)
            except ValueError as error:
                problems.append(BadRow(f"{path}, row {at}: {error}", slide, _others(cells)))
    except csv.Error as error:
        raise KaryoscopeError(f"{path} is no sample sheet: {error}") from error
    if not samples and not problems:
        raise KaryoscopeError(f"{path} has no rows below its names of columns")
    return samples, problems


def _header(names: Sequence[str], path: Path) -> list[str]:
    header = [name.strip() for name in names]
    header = [name.lower() if name.lower() in USED else name for name in header]
    if "path" not in header:
        shown = ", ".join(header)[:80] or "none"
        raise KaryoscopeError(f"{path} is no sample sheet: no column `path` among {shown}")
    twice = [name for name in header if name and header.count(name) > 1]
    if twice:
        raise KaryoscopeError(f"{path} has two columns {twice[0]!r}")
    return header


def _sample(
    row: int, header: Sequence[str], values: Sequence[str], delimiter: str, base: str
) -> Sample:
    if len(values) > len(header) and any(v.strip() for v in values[len(header) :]):
        raise ValueError(f"{len(values)} fields, but {len(header)} columns")
    cells = _cells(header, values)
    if not cells["path"]:
        raise ValueError("no path")
    roi, tissue = cells.get("roi", ""), cells.get("tissue", "")
    return Sample(
        row,
        _from(base, cells["path"]),
        _mpp(cells.get("mpp", ""), delimiter),
        _from(base, cells["annotations"]) if cells.get("annotations") else None,
        None if not tissue else tissue if tissue in ("auto", "none") else _from(base, tissue),
        _roi(roi, base) if roi else None,
        _others(cells),
    )


def _cells(header: Sequence[str], values: Sequence[str]) -> dict[str, str]:
    cells = dict.fromkeys(header, "")
    return cells | {name: from_csv(v.strip()) for name, v in zip(header, values, strict=False)}


def _others(cells: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in cells.items() if name and name not in USED}


def _from(base: str, given: str) -> str:
    """A path or an address; a relative one counts from a folder or an address."""
    if is_address(given) or Path(given).is_absolute():
        return given
    return f"{base.rstrip('/')}/{given}" if is_address(base) else str(Path(base, given))


def _mpp(text: str, delimiter: str) -> float | None:
    if not text:
        return None
    try:
        # Where semicolons separate columns, commas may be decimal.
        value = float(text.replace(",", ".") if delimiter == ";" else text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"mpp is µm per pixel, not {text!r}")
    return value


def _roi(text: str, base: str) -> tuple[int, int, int, int] | str:
    parts = text.replace(",", " ").split()
    if len(parts) == 4:
        try:
            x, y, width, height = map(int, parts)
        except ValueError:
            raise ValueError(f"roi is x y width height in whole pixels, not {text!r}") from None
        if width <= 0 or height <= 0:
            raise ValueError(f"roi has no area: {text!r}")
        return x, y, width, height
    return _from(base, text)
