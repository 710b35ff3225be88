"""Text on pixels: its width, shortening and drawing, in the font that OpenCV carries."""

from __future__ import annotations

import cv2
import numpy as np

INK = (33, 37, 41)
FAINT = (134, 142, 150)
REGULAR, BOLD = 400, 600


def text_width(text: str, size: int, weight: int = REGULAR) -> int:
    """Width in pixels that :func:`put_text` takes."""
    return cv2.getTextSize((0, 0), text, (0, 0), _font(), size, weight)[2] if text else 0


def fit_text(text: str, width: int, size: int, weight: int = REGULAR) -> str:
    """Shorten a text in its middle until it is no wider than ``width`` pixels."""
    kept = len(text)
    short = text
    while kept > 1 and text_width(short, size, weight) > width:
        kept -= 1
        short = text[: (kept + 1) // 2] + "…" + text[len(text) - kept // 2 :]
    return short


def put_text(
    image: np.ndarray,
    text: str,
    at: tuple[int, int],
    size: int,
    color: tuple[int, int, int],
    weight: int = REGULAR,
) -> None:
    """Write a text whose base line starts at (x, y), in place."""
    cv2.putText(image, text, at, color, _font(), size, weight)


def put_text_right(
    image: np.ndarray,
    text: str,
    at: tuple[int, int],
    size: int,
    color: tuple[int, int, int],
    weight: int = REGULAR,
) -> None:
    """Write a text whose base line ends at (x, y), in place."""
    put_text(image, text, (at[0] - text_width(text, size, weight), at[1]), size, color, weight)


def _font() -> cv2.FontFace:
    return cv2.FontFace("sans")
