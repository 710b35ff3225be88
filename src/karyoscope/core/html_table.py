"""The table of nuclei as a notebook shows it: counts of the classes, then the first rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from karyoscope.core.text import for_html

_COLUMNS = 12

ROWS = 5
"""Rows of the table that are shown."""


def nuclei_html(
    number: int,
    mpp: float,
    classes: Iterable[tuple[str, tuple[int, int, int], int]],
    columns: Mapping[str, Any],
) -> str:
    """Return HTML with number, pixel size and classes of the nuclei, and their first rows.

    Parameters
    ----------
    number : int
        Nuclei in the whole table.
    mpp : float
        Micrometres per pixel.
    classes : iterable of (str, (int, int, int), int)
        Name, red, green and blue, and number of nuclei of each class.
    columns : mapping of str to array_like, shape (at least min(number, ROWS),)
        First rows of each column.

    Returns
    -------
    str
        A ``div`` without scripts; names of classes and columns are escaped.
    """
    swatches = " ".join(
        f'<span style="white-space:nowrap"><span style="color:rgb({red},{green},{blue})">'
        f"&#9679;</span> {for_html(name)} {count:,}</span>"
        for name, (red, green, blue), count in classes
    )
    names = list(columns)
    shown = names[:_COLUMNS]
    head = "".join(f"<th>{for_html(name)}</th>" for name in shown)
    rows = "".join(
        "<tr>" + "".join(f"<td>{_cell(columns[name][row])}</td>" for name in shown) + "</tr>"
        for row in range(min(ROWS, number))
    )
    rest = f", {len(names) - len(shown)} further columns" if len(names) > len(shown) else ""
    return (
        f"<div><p><b>{number:,} nuclei</b> at {mpp:g} µm per pixel{rest}<br>"
        f"{swatches}</p><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cell(value: object) -> str:
    return for_html(f"{value:.5g}" if isinstance(value, (float, np.floating)) else str(value))
