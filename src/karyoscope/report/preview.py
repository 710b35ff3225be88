"""A small picture of what will be analysed, with outline, frame, scale bar and caption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from karyoscope.drawing import FAINT, INK, draw_scale_bar, fit_text, put_text

_TISSUE = (0, 132, 61)
_REGION = (214, 51, 132)


@dataclass(frozen=True)
class Preview:
    """What the picture shows. Lengths are in pixels of the picture.

    Attributes
    ----------
    picture : ndarray of uint8, shape (h, w, 3)
        The whole slide, RGB.
    mpp : float
        Micrometres per pixel of the picture.
    analysed : sequence of (left, top, right, bottom)
        Boxes that will be analysed; everything else is faded.
    tissue : ndarray of uint8, shape (h', w'), optional
        Mask whose outline is drawn, not 0 on tissue; its upper left corner is that of the slide.
    region : (left, top, right, bottom), optional
        Box that is framed.
    caption : sequence of str
        Lines above the picture.
    """

    picture: np.ndarray
    mpp: float
    analysed: Sequence[tuple[float, float, float, float]]
    tissue: np.ndarray | None = None
    region: tuple[float, float, float, float] | None = None
    caption: Sequence[str] = ()


def draw_preview(preview: Preview, size: int) -> np.ndarray:
    """Draw what will be analysed.

    Parameters
    ----------
    preview : Preview
        What to draw; its picture is left as it is.
    size : int
        Height of the text in pixels.

    Returns
    -------
    ndarray of uint8, shape (h + c, w, 3)
        RGB: the caption, :func:`caption_height` pixels high, and the picture below it.
    """
    picture = preview.picture.copy()
    _fade_rest(picture, preview.analysed)
    if preview.tissue is not None:
        rings, _ = cv2.findContours(preview.tissue, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.polylines(picture, rings, True, _TISSUE, 2, cv2.LINE_AA)
    if preview.region is not None:
        left, top, right, bottom = map(round, preview.region)
        cv2.rectangle(picture, (left, top), (right, bottom), _REGION, 2)
    draw_scale_bar(picture, preview.mpp, size)
    return np.vstack([_caption(preview.caption, picture.shape[1], size), picture])


def caption_height(size: int) -> int:
    """Height of the caption, in pixels, where the text is ``size`` pixels high."""
    return round(4.2 * size)


def _fade_rest(picture: np.ndarray, parts: Sequence[tuple[float, float, float, float]]) -> None:
    """Fade what is in none of the boxes, in place."""
    rest = np.ones(picture.shape[:2], bool)
    for left, top, right, bottom in parts:
        rest[int(top) : -int(-bottom // 1), int(left) : -int(-right // 1)] = False
    picture[rest] = (0.35 * picture[rest] + 0.65 * 205).astype(np.uint8)


def _caption(lines: Sequence[str], width: int, size: int) -> np.ndarray:
    strip = np.full((caption_height(size), width, 3), 255, np.uint8)
    for row, text in enumerate(lines):
        place = (size, round((1.6 + 1.6 * row) * size))
        color = INK if row == 0 else FAINT
        put_text(strip, fit_text(text, width - 2 * size, size), place, size, color)
    return strip
