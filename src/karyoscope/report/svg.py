"""SVG elements of figures, with escaped text, for use in templates."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from karyoscope.report.page import hex_color

INK, MUTED, GRID = "#1f2328", "#656d76", "#e4e7eb"


def nice_axis(most: float) -> tuple[float, float]:
    """End and step of an axis from 0 that has three to five steps in round numbers."""
    size = 10 ** math.floor(math.log10(most))
    rough = most / size
    step = size * (0.5 if rough <= 2 else 1 if rough <= 4 else 2)
    step = max(1.0, step)
    return step * math.ceil(most / step), step


def svg(width: float, height: float, title: str, parts: Sequence[Markup]) -> Markup:
    """Return an ``svg`` element of a size in pixels; screen readers read the title."""
    return Markup(
        '<svg viewBox="0 0 {0:g} {1:g}" width="{0:g}" role="img"'
        ' xmlns="http://www.w3.org/2000/svg"><title>{2}</title>{3}</svg>'
    ).format(width, height, title, Markup("").join(parts))


def line(
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    color: str,
    width: float = 1,
    opacity: float = 1,
    dash: str = "none",
) -> Markup:
    """Return a straight line."""
    return Markup(
        '<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke="{}"'
        ' stroke-width="{}" stroke-opacity="{}" stroke-dasharray="{}" stroke-linecap="round"/>'
    ).format(x1, y1, x2, y2, color, width, opacity, dash)


def circle(
    x: float, y: float, radius: float, color: tuple[int, int, int], opacity: float = 1
) -> Markup:
    """Return a disc with a thin edge."""
    return Markup(
        '<circle cx="{:.1f}" cy="{:.1f}" r="{}" fill="{}" fill-opacity="{}" stroke="{}"'
        ' stroke-opacity="0.55"/>'
    ).format(x, y, radius, hex_color(color), opacity, INK)


def column(x: float, y: float, width: float, height: float, color: tuple[int, int, int]) -> Markup:
    """Return a filled rectangle with a thin edge, the column of a histogram."""
    return Markup(
        '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}" stroke="{}"'
        ' stroke-opacity="0.25" stroke-width="0.5"/>'
    ).format(x, y, width, height, hex_color(color), INK)


def text(x: float, y: float, text: str, anchor: str = "start", color: str = INK) -> Markup:
    """Return a line of text on its base line."""
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" fill="{}">{}</text>').format(
        x, y, anchor, color, text
    )
