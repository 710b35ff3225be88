"""Elements of figures as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

INK, MUTED, GRID = "#1f2328", "#656d76", "#e4e7eb"


def nice_axis(most: float) -> tuple[float, float]:
    """End and step of an axis from 0 that has three to five steps in round numbers."""
    size = 10 ** math.floor(math.log10(most))
    rough = most / size
    step = size * (0.5 if rough <= 2 else 1 if rough <= 4 else 2)
    step = max(1.0, step)
    return step * math.ceil(most / step), step


def svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    """An ``svg`` element of a size in pixels; the title is for readers that cannot see it."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img"'
        f' xmlns="http://www.w3.org/2000/svg"><title>{escape(title)}</title>'
        f"{''.join(parts)}</svg>"
    )


def line(
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    color: str,
    width: float = 1,
    opacity: float = 1,
    dash: str = "none",
) -> str:
    """A straight line."""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}"'
        f' stroke-width="{width}" stroke-opacity="{opacity}" stroke-dasharray="{dash}"'
        ' stroke-linecap="round"/>'
    )


def circle(
    x: float, y: float, radius: float, color: tuple[int, int, int], opacity: float = 1
) -> str:
    """A disc with a thin edge."""
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{rgb(color)}"'
        f' fill-opacity="{opacity}" stroke="{INK}" stroke-opacity="0.55"/>'
    )


def text(x: float, y: float, text: str, anchor: str = "start", color: str = INK) -> str:
    """A line of text on its base line."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}">{escape(text)}</text>'
    )


def rgb(color: tuple[int, int, int]) -> str:
    """A colour as ``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*color)
