"""Columns of numbers as the page shows them: histograms by class, and filters."""

from __future__ import annotations

from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.view.density import slot_of_class
from karyoscope.view.edited import EditedTable

#: Bars of a histogram.
BARS = 48
#: Shares of the values that the bars reach over; what lies beyond is in the first and last bar.
_REACH = (0.1, 99.9)


def shown_columns(names: tuple[str, ...]) -> tuple[str, ...]:
    """Columns that colours and filters may use: all numbers but the id and the position."""
    return tuple(name for name in names if name not in ("id", "x", "y"))


def histogram(nuclei: EditedTable, name: str) -> dict[str, Any]:
    """Histogram of one column over all nuclei, by class.

    Returns
    -------
    dict
        ``low`` and ``high`` (ends of the bars), ``least`` and ``most`` (of all values),
        ``counts``: bars of the unclassified first, then of each class in the taxonomy's order;
        ``missing``: nuclei without a value.
    """
    values = nuclei.table.values(name)
    known = np.isfinite(values) & nuclei.alive
    missing = int(nuclei.alive.sum() - known.sum())
    classes = len(nuclei.table.context.taxonomy) + 1
    if not known.any():
        empty = np.zeros((classes, BARS), int).tolist()
        return dict.fromkeys(("low", "high", "least", "most"), 0.0) | {
            "counts": empty,
            "missing": missing,
        }
    found = values[known]
    low, high = (float(v) for v in np.percentile(found, _REACH))
    least, most = float(found.min()), float(found.max())
    if not high > low:
        low, high = least, most if most > least else least + 1
    bar = np.clip((found - low) / (high - low) * BARS, 0, BARS - 1).astype(np.int64)
    slot = slot_of_class(nuclei)[nuclei.class_id[known]]
    counts = np.bincount(slot * BARS + bar, minlength=classes * BARS).reshape(classes, BARS)
    return {
        "low": low,
        "high": high,
        "least": least,
        "most": most,
        "counts": counts.tolist(),
        "missing": missing,
    }


def parse_filter(nuclei: EditedTable, text: str) -> np.ndarray | None:
    """Nuclei that pass filters such as ``area_um2:20:60;solidity:0.9:1``, ends included.

    Parameters
    ----------
    nuclei : EditedTable
    text : str
        Filters separated by semicolons; all must hold. Empty for none.

    Returns
    -------
    ndarray of bool, shape (n,), or None
        A nucleus without a value does not pass.

    Raises
    ------
    KaryoscopeError
        If a filter is not of this form, or there is no such column.
    """
    shown: np.ndarray | None = None
    for part in filter(None, text.split(";")):
        try:
            name, low, high = part.rsplit(":", 2)
            least, most = np.float32(low), np.float32(high)
        except ValueError as error:
            raise KaryoscopeError(f"a filter is COLUMN:LOW:HIGH, not {part!r}") from error
        values = nuclei.table.values(name)
        passes = (values >= least) & (values <= most)
        shown = passes if shown is None else shown & passes
    return shown
