"""Tissue that is drawn: pink ground with violet nuclei, and the glass or padding around it."""

from __future__ import annotations

import cv2
import numpy as np

PINK, VIOLET = (228, 176, 205), (95, 58, 138)
#: Around each nucleus, in pixels, so that none touches another.
_PITCH = 26


def made_tissue(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Draw tissue with a nucleus in each square of 26 px: (height, width, 3) uint8."""
    random = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(random.normal(0, 25, (height, width, 3)), (0, 0), 2.5)
    rgb = np.clip(np.array(PINK) + noise, 0, 255).astype(np.uint8)
    for y in range(_PITCH // 2, height - _PITCH // 2 + 1, _PITCH):
        for x in range(_PITCH // 2, width - _PITCH // 2 + 1, _PITCH):
            axes = int(random.integers(5, 9)), int(random.integers(4, 7))
            angle = float(random.uniform(0, 180))
            cv2.ellipse(rgb, (x, y), axes, angle, 0, 360, VIOLET, cv2.FILLED, cv2.LINE_AA)
    return cv2.GaussianBlur(rgb, (0, 0), 0.7)


def nuclei_in(height: int, width: int) -> int:
    """How many nuclei :func:`made_tissue` draws."""
    return len(range(_PITCH // 2, height - _PITCH // 2 + 1, _PITCH)) * len(
        range(_PITCH // 2, width - _PITCH // 2 + 1, _PITCH)
    )


def on_glass(
    tissue: np.ndarray,
    left: int,
    top: int,
    right: int,
    bottom: int,
    ground: int | tuple[int, int, int] = 243,
    noise: int = 1,
) -> np.ndarray:
    """Put tissue on glass with so many pixels of it on each side."""
    height, width = tissue.shape[:2]
    rgb = np.empty((height + top + bottom, width + left + right, 3), np.int16)
    rgb[:] = ground
    if noise:
        rgb += np.random.default_rng(1).integers(-noise, noise + 1, rgb.shape, np.int16)
    rgb[top : top + height, left : left + width] = tissue
    return rgb.clip(0, 255).astype(np.uint8)
