"""Words and scale for a picture of nuclei: the legend beside it and the bar in it."""

from __future__ import annotations

import cv2
import numpy as np

from karyoscope.core.taxonomy import NucleusClass

INK = (33, 37, 41)
FAINT = (134, 142, 150)
RULE = (222, 226, 230)
_REGULAR, _BOLD = 400, 600


def legend(
    title: str,
    subtitle: str,
    counts: list[tuple[NucleusClass, int]],
    size: int,
) -> np.ndarray:
    """Panel with a line a class: colour, name, count, share.

    Parameters
    ----------
    title, subtitle : str
        Above the classes; cut to the width of the panel.
    counts : list of (NucleusClass, int)
        In the order shown.
    size : int
        Height of the text in pixels.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
        RGB on white.
    """
    total = sum(count for _, count in counts)
    rows = [(c, f"{n:,}", f"{100 * n / total:.1f} %" if total else "") for c, n in counts]
    names = max((text_width(c.name, size) for c, *_ in rows), default=0)
    numbers = max(text_width(f"{total:,}", size, _BOLD), 3 * size)
    line = round(1.75 * size)
    margin = round(1.5 * size)
    left = margin + round(1.6 * size)
    right_of_counts = left + names + size + numbers
    right_of_shares = right_of_counts + size + text_width("100.0 %", size)
    width = right_of_shares + margin
    panel = np.full((margin + line * (len(rows) + 5), width, 3), 255, np.uint8)

    y = margin + size
    put_text(panel, fit_text(title, width - 2 * margin, size, _BOLD), (margin, y), size, INK, _BOLD)
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
    put_text(panel, "nuclei", (left, y), size, INK, _BOLD)
    put_text_right(panel, f"{total:,}", (right_of_counts, y), size, INK, _BOLD)
    return panel


def draw_scale_bar(image: np.ndarray, mpp: float, size: int) -> None:
    """Draw a bar of a round length into the lower left corner, in place.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3)
        RGB; left alone where it is too small for a bar.
    mpp : float
        Micrometres per pixel of this image.
    size : int
        Height of the text in pixels.
    """
    height, width = image.shape[:2]
    micrometres = round_length(0.2 * width * mpp)
    length = round(micrometres / mpp)
    label = f"{micrometres:g} µm" if micrometres < 1000 else f"{micrometres / 1000:g} mm"
    margin, pad, thick = round(0.9 * size), round(0.6 * size), max(2, round(0.22 * size))
    plate_width = max(length, text_width(label, size)) + 2 * pad
    plate_height = round(1.25 * size) + thick + 2 * pad
    if plate_width + margin > width or plate_height + margin > height:
        return
    top = height - margin - plate_height
    plate = image[top : top + plate_height, margin : margin + plate_width]
    plate[:] = cv2.addWeighted(plate, 0.15, np.full_like(plate, 255), 0.85, 0)
    start = (plate_width - length) // 2
    plate[plate_height - pad - thick : plate_height - pad, start : start + length] = INK
    put_text(plate, label, ((plate_width - text_width(label, size)) // 2, pad + size), size, INK)


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
    left = x + (tag - text_width(number, size, _BOLD)) // 2
    put_text(image, number, (left, top + size), size, (255, 255, 255), _BOLD)


def round_length(about: float) -> float:
    """The greatest of 1, 2, 5 times a power of ten that is not above ``about``.

    Examples
    --------
    >>> [round_length(x) for x in (0.7, 4.9, 50, 99)]
    [0.5, 2.0, 50.0, 50.0]
    """
    power = 10.0 ** np.floor(np.log10(about))
    return float(max(m * power for m in (1, 2, 5) if m * power <= about * (1 + 1e-9)))


def text_width(text: str, size: int, weight: int = _REGULAR) -> int:
    """Width in pixels that :func:`put_text` takes."""
    return cv2.getTextSize((0, 0), text, (0, 0), _font(), size, weight)[2] if text else 0


def fit_text(text: str, width: int, size: int, weight: int = _REGULAR) -> str:
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
    weight: int = _REGULAR,
) -> None:
    """Write a text whose base line starts at (x, y), in place."""
    cv2.putText(image, text, at, color, _font(), size, weight)


def put_text_right(
    image: np.ndarray,
    text: str,
    at: tuple[int, int],
    size: int,
    color: tuple[int, int, int],
    weight: int = _REGULAR,
) -> None:
    """Write a text whose base line ends at (x, y), in place."""
    put_text(image, text, (at[0] - text_width(text, size, weight), at[1]), size, color, weight)


def _font() -> cv2.FontFace:
    return cv2.FontFace("sans")


def _swatch(
    panel: np.ndarray, centre: tuple[int, int], size: int, nucleus_class: NucleusClass
) -> None:
    cv2.circle(panel, centre, round(0.42 * size), nucleus_class.color, -1, cv2.LINE_AA)
