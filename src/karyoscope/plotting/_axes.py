"""Axes to draw into, and names of columns as labels of axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.optional import load

if TYPE_CHECKING:
    import matplotlib.axes

_UNITS = {
    "_per_mm2": "per mm²",
    "_um2": "µm²",
    "_um": "µm",
    "_deg": "°",
    "_od": "optical density",
}


def axes_for(ax: Any, size: tuple[float, float]) -> matplotlib.axes.Axes:
    """Return the given axes, or those of a new figure of that size in inches.

    Raises
    ------
    KaryoscopeError
        If matplotlib is not installed.
    """
    load("analysis", "matplotlib", "karyoscope.plotting")
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]


def axis_label(column: str) -> str:
    """Name of a column with its unit.

    Examples
    --------
    >>> axis_label("area_um2"), axis_label("p_plasma"), axis_label("density_50um_all_per_mm2")
    ('area (µm²)', 'p_plasma', 'density 50 µm all (per mm²)')
    """
    if column.startswith("p_"):
        return column
    for end, unit in _UNITS.items():
        if column.endswith(end):
            stem = column.removesuffix(end)
            return f"{_spaced(stem)} ({unit})"
    return _spaced(column)


def _spaced(name: str) -> str:
    words = name.split("_")
    return " ".join(f"{w[:-2]} µm" if w.endswith("um") and w[:-2].isdigit() else w for w in words)


def class_color(nuclei: Nuclei, class_id: int) -> tuple[float, float, float]:
    """Colour of a class, from 0 to 1."""
    red, green, blue = nuclei.taxonomy.by_id(class_id).color
    return red / 255, green / 255, blue / 255


def present_classes(nuclei: Nuclei) -> list[int]:
    """Ids of the classes that occur, in the order of the taxonomy; 0 comes last."""
    present = set(nuclei.class_id.tolist())
    return [i for i in (*nuclei.taxonomy.ids, 0) if i in present]
