"""A scale bar of a round length."""

from __future__ import annotations

import cv2
import numpy as np

from karyoscope.drawing.text import INK, put_text, text_width


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


def round_length(about: float) -> float:
    """The greatest of 1, 2, 5 times a power of ten that is not above ``about``.

    Examples
    --------
    >>> [round_length(x) for x in (0.7, 4.9, 50, 99)]
    [0.5, 2.0, 50.0, 50.0]
    """
    power = 10.0 ** np.floor(np.log10(about))
    return float(max(m * power for m in (1, 2, 5) if m * power <= about * (1 + 1e-9)))
