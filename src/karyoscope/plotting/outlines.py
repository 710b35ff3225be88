"""Outlines of nuclei on the pixels of their slide."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.drawing import round_length
from karyoscope.plotting._axes import axes_for, class_color, present_classes
from karyoscope.slides import Slide, open_slide

if TYPE_CHECKING:
    import matplotlib.axes

_LONGEST = 2000
#: Outlines of more nuclei are drawn as pixels, also in PDF and SVG files.
_MOST_VECTORS = 5000


def overlay(
    nuclei: Nuclei,
    image: Any = None,
    *,
    box: tuple[float, float, float, float] | None = None,
    ax: Any = None,
    fill: bool = False,
    linewidth: float = 1.0,
    legend: bool = True,
    scale_bar: bool = True,
) -> matplotlib.axes.Axes:
    """Draw the outlines of nuclei in the colours of their classes.

    Parameters
    ----------
    nuclei : Nuclei
        Nuclei in pixels of level 0.
    image : path, ndarray, Slide, PIL image or xarray, optional
        The slide, whose level 0 is the grid of the nuclei. Large parts are reduced to 2000 pixels.
    box : (x, y, width, height), optional
        Part to show, in pixels of level 0. By default the whole image, or all nuclei.
    ax : matplotlib.axes.Axes, optional
        Axes to draw into; a new figure by default.
    fill : bool
        Fill the outlines, half transparent.
    linewidth : float
        Width of the outlines, in points.
    legend : bool
        Name the classes, with the number of nuclei that are shown.
    scale_bar : bool
        Draw a bar of a round length at the lower left.

    Returns
    -------
    matplotlib.axes.Axes
        Axes in pixels of level 0, y pointing down.

    Raises
    ------
    KaryoscopeError
        If matplotlib is not installed, or the image cannot be opened or has no pixel in the box.
    """
    with ExitStack() as stack:
        slide = None
        if isinstance(image, Slide):
            slide = image
        elif image is not None:
            slide = stack.enter_context(open_slide(image, override_mpp=nuclei.mpp))
        left, top, width, height = _box(nuclei, slide, box)
        ax = axes_for(ax, _figure_size(width, height))
        if slide is not None:
            pixels, extent = _picture(slide, (left, top, width, height))
            ax.imshow(pixels, extent=extent, interpolation="antialiased")
    from matplotlib.collections import PolyCollection

    shown = _meeting(nuclei, left, top, width, height)
    rings = np.split(shown.vertices, shown.offsets[1:-1]) if len(shown) else []
    handles = []
    for class_id in present_classes(shown):
        color = class_color(shown, class_id)
        chosen = [rings[row] for row in np.flatnonzero(shown.class_id == class_id)]
        lines = PolyCollection(
            chosen,
            facecolors=[(*color, 0.4)] if fill else "none",
            edgecolors=[color],
            linewidths=linewidth,
            label=f"{shown.taxonomy.by_id(class_id).name} {len(chosen):,}",
            rasterized=len(shown) > _MOST_VECTORS,
        )
        handles.append(ax.add_collection(lines, autolim=False))
    ax.set(xlim=(left, left + width), ylim=(top + height, top), aspect="equal")
    ax.set(xticks=[], yticks=[])
    if legend and handles:
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, frameon=False)
    if scale_bar:
        _draw_scale_bar(ax, nuclei.mpp, (left, top, width, height))
    return ax


def _box(
    nuclei: Nuclei, slide: Slide | None, box: tuple[float, float, float, float] | None
) -> tuple[float, float, float, float]:
    if box is not None:
        if len(box) != 4 or not (box[2] > 0 and box[3] > 0):
            raise KaryoscopeError(f"box={box!r} is not (x, y, width, height)")
        return box
    if slide is not None:
        return 0, 0, *slide.size
    if not len(nuclei):
        return 0, 0, 1, 1
    low, high = nuclei.vertices.min(0), nuclei.vertices.max(0)
    return (*low.tolist(), *(high - low).tolist())


def _figure_size(width: float, height: float) -> tuple[float, float]:
    scale = 8 / max(width, height)
    return max(3, width * scale) + 1.5, max(2.5, height * scale)


def _picture(
    slide: Slide, box: tuple[float, float, float, float]
) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """Pixels of a part of a slide, and where its edges lie on level 0: left, right, bottom, top."""
    left, top = max(0, int(box[0])), max(0, int(box[1]))
    right = min(slide.size[0], int(np.ceil(box[0] + box[2])))
    bottom = min(slide.size[1], int(np.ceil(box[1] + box[3])))
    if right <= left or bottom <= top:
        raise KaryoscopeError(f"box={box!r} lies outside the image of {slide.size} pixels")
    step = max(1.0, max(right - left, bottom - top) / _LONGEST)
    grid = slide.grid(slide.mpp * step)
    x, y = int(left / grid.scale_x), int(top / grid.scale_y)
    columns = max(1, int(np.ceil(right / grid.scale_x)) - x)
    rows = max(1, int(np.ceil(bottom / grid.scale_y)) - y)
    pixels = slide.read(x, y, columns, rows, slide.mpp * step)
    edges = x * grid.scale_x, (x + columns) * grid.scale_x
    return pixels, (*edges, (y + rows) * grid.scale_y, y * grid.scale_y)


def _meeting(nuclei: Nuclei, x: float, y: float, width: float, height: float) -> Nuclei:
    """Nuclei whose outline meets a box."""
    if not len(nuclei):
        return nuclei
    starts = nuclei.offsets[:-1]
    low = np.minimum.reduceat(nuclei.vertices, starts)
    high = np.maximum.reduceat(nuclei.vertices, starts)
    far = np.array([x + width, y + height])
    meeting: np.ndarray = np.all((high >= [x, y]) & (low <= far), axis=1)
    return nuclei.take(meeting)


def _draw_scale_bar(ax: Any, mpp: float, box: tuple[float, float, float, float]) -> None:
    left, top, width, height = box
    length = round_length(0.2 * width * mpp)
    label = f"{length:g} µm" if length < 1000 else f"{length / 1000:g} mm"
    x, y = left + 0.03 * width, top + 0.96 * height
    for color, thickness in (("white", 5), ("black", 3)):
        ax.plot([x, x + length / mpp], [y, y], color=color, linewidth=thickness, zorder=5)
    ax.annotate(
        label,
        (x + length / mpp / 2, y),
        xytext=(0, 4),
        textcoords="offset points",
        ha="center",
        va="bottom",
        zorder=6,
        bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 1},
    )
