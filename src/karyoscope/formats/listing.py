"""The list of output formats, as plain data and as a table for the terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from rich.table import Table

from karyoscope.core.optional import installed
from karyoscope.core.text import for_markup
from karyoscope.formats.base import Writer


def rows_of(writers: Iterable[tuple[str, type[Writer]]], default: Collection[str]) -> list[Any]:
    """One dict a format: ``name, files, about, opens_in, default, extra, installed``.

    Parameters
    ----------
    writers : iterable of (str, type)
        Names and classes of the formats.
    default : collection of str
        Names of the formats that are written unless others are requested.

    Returns
    -------
    list of dict
        ``files`` are the ends of the names of all files, the main one first; ``extra`` is the extra
        of karyoscope that the format needs, or None; ``installed`` says whether it can be written.
    """
    return [
        {
            "name": name,
            "files": list(dict.fromkeys((writer.suffix, *writer.companions))),
            "about": writer.about or _first_line(writer),
            "opens_in": writer.opens_in,
            "default": name in default,
            "extra": writer.needs[0] if writer.needs else None,
            "installed": installed(*writer.needs[1:]),
        }
        for name, writer in writers
    ]


def table_of(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Render the rows of :func:`rows_of` for the terminal."""
    table = Table(caption="* written unless --format says otherwise", caption_justify="left")
    table.add_column("format", no_wrap=True)
    for heading in ("files", "content", "opens in"):
        table.add_column(heading)
    for row in rows:
        about = row["about"]
        if not row["installed"]:
            about += f" (needs `pip install 'karyoscope[{row['extra']}]'`)"
        name = row["name"] + (" *" if row["default"] else "")
        files = ", ".join(row["files"])
        table.add_row(*map(for_markup, (name, files, about, row["opens_in"])))
    return table


def _first_line(writer: type[Writer]) -> str:
    return (vars(writer).get("__doc__") or "").strip().partition("\n")[0].rstrip(".")
