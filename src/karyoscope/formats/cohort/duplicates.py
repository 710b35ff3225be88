"""Slides that are in a cohort twice: copies of one image under two names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_WORDS = "its results are those of"
_FEWEST = 20
"""No two images of so many nuclei have the same counts and the same mean areas."""


def note_copies(rows: Iterable[dict[str, Any]]) -> None:
    """Add a warning to each row whose results are those of an earlier row.

    Copies of a file have other names and times, and other writers may have stored the same pixels
    in other bytes. Their results are equal, however: the number of nuclei of every class, their
    mean areas, and the area of tissue.

    Parameters
    ----------
    rows : iterable of dict
        Rows of a cohort in order, with their ``warnings``; they are changed.
    """
    first: dict[tuple[Any, ...], str] = {}
    for row in rows:
        if (row["nuclei"] or 0) < _FEWEST or row["mean_area_um2"] is None:
            continue
        results = tuple(
            (name, value)
            for name, value in sorted(row.items())
            if name in ("nuclei", "tissue_mm2", "analysed_mm2", "mpp")
            or name.startswith(("count_", "mean_area_"))
        )
        other = first.setdefault(results, row["result"])
        if other != row["result"]:
            found = f"{_WORDS} {other}, to the last digit; one may be a copy of the other"
            row["warnings"] = "; ".join(filter(None, (row["warnings"], found)))


def copies(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Return one line for each row that :func:`note_copies` has added a warning to."""
    return [
        f"{row['result']}: {row['warnings'][row['warnings'].index(_WORDS) :]}"
        for row in rows
        if _WORDS in (row["warnings"] or "")
    ]
