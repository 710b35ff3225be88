"""Figures of the evaluation page, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

_INK, _MUTED, _GRID = "#1f2328", "#656d76", "#e4e7eb"


@dataclass(frozen=True)
class Bar:
    """A row of :func:`interval_figure`.

    Attributes
    ----------
    label : str
    value : float or None
    low, high : float or None
        Interval; None where it is undefined.
    color : tuple of int
        Red, green, blue.
    remark : str
        Shown at the right.
    """

    label: str
    value: float | None
    low: float | None
    high: float | None
    color: tuple[int, int, int]
    remark: str = ""


def interval_figure(bars: Sequence[Bar], title: str) -> str:
    """Draw values between 0 and 1 with intervals, a row each.

    Parameters
    ----------
    bars : sequence of Bar
    title : str
        For readers that cannot see the figure.

    Returns
    -------
    str
        An ``svg`` element.
    """
    left, width, right, row, top = 130, 470, 260, 34, 8
    bottom = top + row * len(bars)
    parts = [
        _line(left + width * t, top, left + width * t, bottom, _GRID)
        + _text(left + width * t, bottom + 18, f"{t:g}", "middle", _MUTED)
        for t in (0, 0.2, 0.4, 0.6, 0.8, 1)
    ]
    for number, bar in enumerate(bars):
        y = top + row * (number + 0.5)
        parts.append(_text(left - 12, y + 4, bar.label, "end"))
        numbers = "not defined"
        if bar.value is not None:
            numbers = f"{bar.value:.3f}"
            if bar.low is not None and bar.high is not None:
                x1, x2 = left + width * bar.low, left + width * bar.high
                parts.append(_line(x1, y, x2, y, _rgb(bar.color), 7, 0.5))
                numbers += f"  ({bar.low:.2f} to {bar.high:.2f})"
            parts.append(_circle(left + width * bar.value, y, 6, bar.color))
        x = left + width + 14
        parts.append(_text(x, y + 4, numbers) + _text(x + 160, y + 4, bar.remark, color=_MUTED))
    return _svg(left + width + right, bottom + 26, title, parts)


def scatter_figure(
    true: np.ndarray, pred: np.ndarray, color: tuple[int, int, int], title: str
) -> str:
    """Draw predicted against true counts, a dot an image, with the line where they agree.

    Parameters
    ----------
    true, pred : ndarray of int, shape (n,)
    color : tuple of int
        Red, green, blue.
    title : str
        For readers that cannot see the figure.

    Returns
    -------
    str
        An ``svg`` element.
    """
    side, left, top = 190, 44, 8
    most, step = _nice(float(max(true.max(initial=0), pred.max(initial=0), 1)))
    scale = side / most
    parts = []
    for tick in np.arange(0, most + step / 2, step):
        x, y = left + tick * scale, top + side - tick * scale
        parts.append(_line(x, top, x, top + side, _GRID) + _line(left, y, left + side, y, _GRID))
        parts.append(_text(x, top + side + 17, f"{tick:,.0f}", "middle", _MUTED))
        parts.append(_text(left - 6, y + 4, f"{tick:,.0f}", "end", _MUTED))
    parts.append(_line(left, top + side, left + side, top, _MUTED, dash="4 4"))
    parts += [
        _circle(left + t * scale, top + side - p * scale, 4, color, 0.75)
        for t, p in zip(true.tolist(), pred.tolist(), strict=True)
    ]
    return _svg(left + side + 24, top + side + 24, title, parts)


def _nice(most: float) -> tuple[float, float]:
    """End and step of an axis from 0 that has three to five steps in round numbers."""
    size = 10 ** math.floor(math.log10(most))
    rough = most / size
    step = size * (0.5 if rough <= 2 else 1 if rough <= 4 else 2)
    step = max(1.0, step)
    return step * math.ceil(most / step), step


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img"'
        f' xmlns="http://www.w3.org/2000/svg"><title>{escape(title)}</title>'
        f"{''.join(parts)}</svg>"
    )


def _line(
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    color: str,
    width: float = 1,
    opacity: float = 1,
    dash: str = "none",
) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}"'
        f' stroke-width="{width}" stroke-opacity="{opacity}" stroke-dasharray="{dash}"'
        ' stroke-linecap="round"/>'
    )


def _circle(
    x: float, y: float, radius: float, color: tuple[int, int, int], opacity: float = 1
) -> str:
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{_rgb(color)}"'
        f' fill-opacity="{opacity}" stroke="{_INK}" stroke-opacity="0.55"/>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start", color: str = _INK) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}">{escape(text)}</text>'
    )


def _rgb(color: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
