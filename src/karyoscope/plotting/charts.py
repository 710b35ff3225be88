"""Charts of a column, and of the classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.plotting._axes import axes_for, axis_label, class_color, present_classes

if TYPE_CHECKING:
    import matplotlib.axes


def histogram(
    nuclei: Nuclei,
    column: str = "area_um2",
    *,
    by_class: bool = True,
    bins: int = 50,
    limits: tuple[float, float] | None = None,
    ax: Any = None,
) -> matplotlib.axes.Axes:
    """Draw how the values of a column are distributed, a line per class.

    Parameters
    ----------
    nuclei : Nuclei
        Nuclei to draw.
    column : str
        Column of numbers, by the name that files use: ``area_um2``, ``p_plasma``, a measurement.
    by_class : bool
        Draw a line per class, in its colour; else one for all nuclei.
    bins : int
        Number of bins.
    limits : (float, float), optional
        Least and greatest value shown; by default those of the middle 99.8 % of the values.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        Values against the number of nuclei per bin.

    Raises
    ------
    KaryoscopeError
        If matplotlib is not installed, or there is no such column of numbers.
    """
    values = np.asarray(nuclei[column])
    if values.dtype.kind not in "fiu":
        raise KaryoscopeError(f"column {column!r} holds no numbers")
    finite = values[np.isfinite(values)]
    if limits is None:
        limits = tuple(np.percentile(finite, [0.1, 99.9])) if len(finite) else (0.0, 1.0)
    if limits[0] == limits[1]:
        limits = limits[0] - 0.5, limits[1] + 0.5
    edges = np.linspace(*limits, bins + 1)
    ax = axes_for(ax, (6, 4))
    for class_id in present_classes(nuclei) if by_class else [None]:
        chosen = values if class_id is None else values[nuclei.class_id == class_id]
        counts, _ = np.histogram(chosen[np.isfinite(chosen)], edges)
        name = "all" if class_id is None else nuclei.taxonomy.by_id(class_id).name
        color = "0.3" if class_id is None else class_color(nuclei, class_id)
        ax.stairs(counts, edges, color=color, label=f"{name} {len(chosen):,}", linewidth=1.5)
    ax.set(xlabel=axis_label(column), ylabel="nuclei", xlim=limits)
    ax.set_ylim(bottom=0)
    ax.spines[["top", "right"]].set_visible(False)
    if by_class and len(nuclei):
        ax.legend(frameon=False)
    return ax


def class_bars(nuclei: Nuclei, *, ax: Any = None) -> matplotlib.axes.Axes:
    """Draw the number of nuclei of each class, with its share.

    Parameters
    ----------
    nuclei : Nuclei
        Nuclei to draw.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        A horizontal bar per class, in the order of the taxonomy from the top.

    Raises
    ------
    KaryoscopeError
        If matplotlib is not installed.
    """
    counts = nuclei.counts()
    ids = {nuclei.taxonomy.by_id(i).name: i for i in (*nuclei.taxonomy.ids, 0)}
    ax = axes_for(ax, (6, 0.45 * len(counts) + 0.9))
    colors = [class_color(nuclei, ids[name]) for name in counts]
    bars = ax.barh(list(counts), list(counts.values()), color=colors)
    total = max(1, len(nuclei))
    shares = [f" {count:,} ({100 * count / total:.1f} %)" for count in counts.values()]
    ax.bar_label(bars, shares)
    ax.invert_yaxis()
    ax.margins(x=0.25)
    ax.set(xlabel="nuclei")
    ax.spines[["top", "right"]].set_visible(False)
    return ax
