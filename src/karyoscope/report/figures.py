"""Figures of the pages, as SVG: intervals of scores, counts against counts, histograms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from karyoscope.report.page import hex_color
from karyoscope.report.svg import GRID, INK, MUTED, circle, column, line, nice_axis, svg, text


@dataclass(frozen=True)
class Bar:
    """A row of :func:`interval_figure`.

    Attributes
    ----------
    label : str
        Name at the left.
    value : float or None
        The score; None where it is not defined.
    low, high : float or None
        Interval; None where it is not defined.
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


def interval_figure(
    bars: Sequence[Bar],
    title: str,
    bounds: tuple[float, float] = (0.0, 1.0),
    digits: int = 3,
) -> Markup:
    """Draw scores with their intervals, a row each.

    Parameters
    ----------
    bars : sequence of Bar
        The rows, from top to bottom.
    title : str
        Read by screen readers.
    bounds : tuple of float
        Least and greatest value that the score can have. Where one is infinite the axis ends at
        the values.
    digits : int
        Decimals of the scores.

    Returns
    -------
    Markup
        An ``svg`` element.
    """
    left, width, right, row, top = 130, 470, 260, 34, 8
    bottom = top + row * len(bars)
    least, most = _axis(bars, bounds)

    def place(value: float) -> float:
        return left + width * (min(max(value, least), most) - least) / (most - least)

    parts = []
    for t in np.linspace(least, most, 6).tolist():
        parts.append(line(place(t), top, place(t), bottom, GRID))
        parts.append(text(place(t), bottom + 18, f"{t:.3g}", "middle", MUTED))
    for number, bar in enumerate(bars):
        y = top + row * (number + 0.5)
        parts.append(text(left - 12, y + 4, bar.label, "end"))
        numbers = "not defined"
        if bar.value is not None:
            numbers = f"{bar.value:.{digits}f}"
            if bar.low is not None and bar.high is not None:
                ends = place(bar.low), y, place(bar.high), y
                parts.append(line(*ends, hex_color(bar.color), 7, 0.5))
                fewer = max(digits - 1, 0)
                numbers += f"  ({bar.low:.{fewer}f} to {bar.high:.{fewer}f})"
            parts.append(circle(place(bar.value), y, 6, bar.color))
        x = left + width + 14
        parts.append(text(x, y + 4, numbers) + text(x + 160, y + 4, bar.remark, color=MUTED))
    return svg(left + width + right, bottom + 26, title, parts)


def _axis(bars: Sequence[Bar], bounds: tuple[float, float]) -> tuple[float, float]:
    """Ends of the axis: the bounds, or the values where a bound is infinite."""
    shown = [
        v for b in bars for v in (b.value, b.low, b.high) if v is not None and math.isfinite(v)
    ]
    low, high = bounds
    low = low if math.isfinite(low) else min([0.0, *shown])
    high = high if math.isfinite(high) else max([0.0, *shown])
    return low, high if high > low else low + 1.0


def scatter_figure(
    true: np.ndarray, pred: np.ndarray, color: tuple[int, int, int], title: str
) -> Markup:
    """Draw predicted against true counts, a dot an image, with the line of equal counts.

    Parameters
    ----------
    true, pred : ndarray of int, shape (n,)
        Nuclei of each image.
    color : tuple of int
        Red, green, blue.
    title : str
        Read by screen readers.

    Returns
    -------
    Markup
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


def histogram_figure(
    counts: np.ndarray,
    step: float,
    median: float | None,
    color: tuple[int, int, int],
    title: str,
) -> Markup:
    """Draw a histogram that starts at 0, with a line at the median.

    Parameters
    ----------
    counts : ndarray of int, shape (n,)
        Height of each column; the last holds all values that are larger.
    step : float
        Width of a column in the unit of the values.
    median : float or None
        Median in the unit of the values.
    color : tuple of int
        Red, green, blue.
    title : str
        Read by screen readers.

    Returns
    -------
    Markup
        An ``svg`` element.
    """
    left, top, width, height = 44, 8, 250, 110
    most, tick = nice_axis(float(max(counts.max(), 1)))
    bar = width / len(counts)
    parts = []
    for value in np.arange(0, most + tick / 2, tick):
        y = top + height - value / most * height
        parts.append(line(left, y, left + width, y, GRID))
        parts.append(text(left - 6, y + 4, f"{value:,.0f}", "end", MUTED))
    for k, count in enumerate(counts.tolist()):
        tall = count / most * height
        parts.append(column(left + k * bar + 0.5, top + height - tall, bar - 1, tall, color))
    if median is not None:
        x = left + min(median / step, len(counts) - 0.5) * bar
        parts.append(line(x, top, x, top + height, INK, 1.5))
    for k in range(0, len(counts) + 1, 10):
        parts.append(text(left + k * bar, top + height + 18, f"{k * step:g}", "middle", MUTED))
    return svg(left + width + 16, top + height + 24, title, parts)
