"""Numbers of nuclei per area, as a map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.plotting._axes import axes_for

if TYPE_CHECKING:
    import matplotlib.axes

_MOST_BINS = 4_000_000


def density_map(
    nuclei: Nuclei,
    class_name: str | None = None,
    *,
    bin_um: float = 100.0,
    size: tuple[int, int] | None = None,
    ax: Any = None,
    cmap: str = "magma",
) -> matplotlib.axes.Axes:
    """Draw how many nuclei there are per mm², in square bins.

    The area of a bin is that of its square, also where it is not full of tissue.

    Parameters
    ----------
    nuclei : Nuclei
        Nuclei in pixels of level 0.
    class_name : str, optional
        Class to count; all nuclei by default.
    bin_um : float
        Edge of a bin, in µm.
    size : (int, int), optional
        Width and height of the slide in pixels of level 0; by default as far as there are nuclei.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into; a new figure by default.
    cmap : str
        Colour map of matplotlib.

    Returns
    -------
    matplotlib.axes.Axes
        Axes in mm from the corner of level 0, y pointing down, with a colour bar.

    Raises
    ------
    KaryoscopeError
        If matplotlib is not installed, there is no such class, or the bins are no length or too
        many.
    """
    if not (bin_um > 0 and np.isfinite(bin_um)):
        raise KaryoscopeError(f"bin_um={bin_um!r} is not a length in µm")
    chosen = nuclei
    if class_name is not None:
        chosen = nuclei.take(nuclei.class_id == nuclei.taxonomy.id_of(class_name))
    reach = size or (max(1, nuclei.x.max(initial=0)), max(1, nuclei.y.max(initial=0)))
    columns, rows = (max(1, int(np.ceil(edge * nuclei.mpp / bin_um))) for edge in reach)
    if rows * columns > _MOST_BINS:
        raise KaryoscopeError(
            f"bin_um={bin_um:g} makes {rows * columns:,} bins: choose larger ones"
        )
    edges = np.arange(rows + 1) * bin_um, np.arange(columns + 1) * bin_um
    counts, _, _ = np.histogram2d(chosen.y * nuclei.mpp, chosen.x * nuclei.mpp, edges)
    density = counts / (bin_um**2 * 1e-6)
    wide, high = columns * bin_um / 1000, rows * bin_um / 1000
    scale = 6 / max(wide, high)
    ax = axes_for(ax, (max(3, wide * scale) + 1.2, max(2.5, high * scale)))
    shown = ax.imshow(density, cmap=cmap, extent=(0, wide, high, 0), interpolation="nearest")
    ax.set(xlabel="x (mm)", ylabel="y (mm)")
    ax.figure.colorbar(shown, ax=ax, label=f"{class_name or 'nuclei'} per mm²", shrink=0.8)
    return ax
