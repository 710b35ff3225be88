"""The legend beside a picture of nuclei, and numbered frames for its details."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from karyoscope.core.taxonomy import NucleusClass
from karyoscope.drawing.text import (
    BOLD,
    FAINT,
    INK,
    fit_text,
    put_text,
    put_text_right,
    text_width,
)

RULE = (222, 226, 230)


def legend_panel(
    title: str,
    subtitle: str,
    counts: list[tuple[NucleusClass, int]],
    size: int,
    facts: Sequence[tuple[str, str]] = (),
) -> np.ndarray:
    """Panel with a line a class: colour, name, count, share.

    Parameters
    ----------
    title, subtitle : str
        Above the classes; cut to the width of the panel.
    counts : list of (NucleusClass, int)
        Classes and their counts, in the order in which they are shown.
    size : int
        Height of the text in pixels.
    facts : sequence of (str, str)
        Name and value of further lines, below the number of nuclei.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
        RGB on white.
    """
    total = sum(count for _, count in counts)
    rows = [(c, f"{n:,}", f"{100 * n / total:.1f} %" if total else "") for c, n in counts]
    names = max((text_width(c.name, size) for c, *_ in rows), default=0)
    numbers = max(text_width(f"{total:,}", size, BOLD), 3 * size)
    line = round(1.75 * size)
    margin = round(1.5 * size)
    left = margin + round(1.6 * size)
    right_of_counts = left + names + size + numbers
    right_of_shares = right_of_counts + size + text_width("100.0 %", size)
    width = right_of_shares + margin
    panel = np.full((margin + line * (len(rows) + len(facts) + 5), width, 3), 255, np.uint8)

    y = margin + size
    put_text(panel, fit_text(title, width - 2 * margin, size, BOLD), (margin, y), size, INK, BOLD)
    y += line
    small = round(0.8 * size)
    put_text(panel, fit_text(subtitle, width - 2 * margin, small), (margin, y), small, FAINT)
    y += round(1.6 * line)
    for nucleus_class, count, share in rows:
        _swatch(panel, (margin + round(0.55 * size), y - round(0.36 * size)), size, nucleus_class)
        put_text(panel, nucleus_class.name, (left, y), size, INK)
        put_text_right(panel, count, (right_of_counts, y), size, INK)
        put_text_right(panel, share, (right_of_shares, y), size, FAINT)
        y += line
    rule = y - round(0.9 * size)
    cv2.line(panel, (margin, rule), (width - margin, rule), RULE, max(1, size // 14))
    y += round(0.35 * size)
    put_text(panel, "nuclei", (left, y), size, INK, BOLD)
    put_text_right(panel, f"{total:,}", (right_of_counts, y), size, INK, BOLD)
    for name, value in facts:
        y += line
        put_text(panel, name, (left, y), small, FAINT)
        put_text_right(panel, value, (right_of_shares, y), small, INK)
    return panel


def draw_box(image: np.ndarray, corner: tuple[int, int], side: int, number: str, size: int) -> None:
    """Frame a square of the image, with a number at its upper left corner, in place."""
    x, y = corner
    thin = max(2, size // 12)
    for inset, color in ((0, INK), (thin, (255, 255, 255))):
        low, high = (x + inset, y + inset), (x + side - 1 - inset, y + side - 1 - inset)
        cv2.rectangle(image, low, high, color, thin)
    tag = round(1.3 * size)
    top = y - tag if y >= tag else y
    image[top : top + tag, x : x + tag] = INK
    left = x + (tag - text_width(number, size, BOLD)) // 2
    put_text(image, number, (left, top + size), size, (255, 255, 255), BOLD)


def _swatch(
    panel: np.ndarray, centre: tuple[int, int], size: int, nucleus_class: NucleusClass
) -> None:
    cv2.circle(panel, centre, round(0.42 * size), nucleus_class.color, -1, cv2.LINE_AA)
