"""Figures of the evaluation page, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from karyoscope._svg import GRID, MUTED, circle, line, nice_axis, rgb, svg, text


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
        line(left + width * t, top, left + width * t, bottom, GRID)
        + text(left + width * t, bottom + 18, f"{t:g}", "middle", MUTED)
        for t in (0, 0.2, 0.4, 0.6, 0.8, 1)
    ]
    for number, bar in enumerate(bars):
        y = top + row * (number + 0.5)
        parts.append(text(left - 12, y + 4, bar.label, "end"))
        numbers = "not defined"
        if bar.value is not None:
            numbers = f"{bar.value:.3f}"
            if bar.low is not None and bar.high is not None:
                x1, x2 = left + width * bar.low, left + width * bar.high
                parts.append(line(x1, y, x2, y, rgb(bar.color), 7, 0.5))
                numbers += f"  ({bar.low:.2f} to {bar.high:.2f})"
            parts.append(circle(left + width * bar.value, y, 6, bar.color))
        x = left + width + 14
        parts.append(text(x, y + 4, numbers) + text(x + 160, y + 4, bar.remark, color=MUTED))
    return svg(left + width + right, bottom + 26, title, parts)


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
    most, step = nice_axis(float(max(true.max(initial=0), pred.max(initial=0), 1)))
    scale = side / most
    parts = []
    for tick in np.arange(0, most + step / 2, step):
        x, y = left + tick * scale, top + side - tick * scale
        parts.append(line(x, top, x, top + side, GRID) + line(left, y, left + side, y, GRID))
        parts.append(text(x, top + side + 17, f"{tick:,.0f}", "middle", MUTED))
        parts.append(text(left - 6, y + 4, f"{tick:,.0f}", "end", MUTED))
    parts.append(line(left, top + side, left + side, top, MUTED, dash="4 4"))
    parts += [
        circle(left + t * scale, top + side - p * scale, 4, color, 0.75)
        for t, p in zip(true.tolist(), pred.tolist(), strict=True)
    ]
    return svg(left + side + 24, top + side + 24, title, parts)
