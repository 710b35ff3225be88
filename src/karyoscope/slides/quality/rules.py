"""From sums over cells to the cells that have a fault.

The thresholds were chosen on one half of the images of ``benchmarks/quality.py``, by source.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

#: Least share of a cell that is tissue where its faults are judged.
TISSUE = 0.1
#: A further blur takes away less than this share of the differences of neighbouring pixels.
_BLUR = 0.40
#: Share of a cell that is coloured ink, and that is black.
_INK, _BLACK = 0.02, 0.5
#: Least density within 5 pixels by the median density of the slide's tissue: of the core of a
#: fold, and of what adjoins it.
_FOLD, _BESIDE_FOLD, _FOLD_CELLS, _DENSEST = 0.9, 0.7, 5, 80
#: Share of a cell's tissue that is clipped.
_CLIPPED = 0.2
#: Least share of green, and greatest of red and blue, in the length of the vector of densities.
_GREEN, _RED, _BLUE, _DENSITY = 0.70, 0.62, 0.60, 0.1
#: Share of a cell that is black or grey where it is part of a ring, and the cells it may enclose.
_RING, _ENCLOSED, _MOST_ENCLOSED, _ROUND = 0.1, 4, 20_000, 0.5


def faults_of(sums: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Cells with each kind of fault but bubbles' own.

    Parameters
    ----------
    sums : mapping of str to ndarray of float32, shape (rows, columns)
        Result of :func:`~karyoscope.slides.quality.sums.cell_sums`.

    Returns
    -------
    dict of str to ndarray of bool, shape (rows, columns)
        Masks by the name of the kind.
    """
    judged = sums["tissue"] >= TISSUE
    return {
        "blur": judged & _blurred(sums),
        "pen": _inked(sums),
        "fold": judged & _folded(sums),
        "bubble": _in_bubble(sums),
        "saturation": judged & (sums["clipped"] > _CLIPPED * sums["tissue"]),
        "staining": judged & _not_he(sums),
    }


def _around(sums: np.ndarray) -> np.ndarray:
    """Mean over 3 x 3 cells: what is judged over 96 µm."""
    return cv2.blur(sums, (3, 3), borderType=cv2.BORDER_REPLICATE)


def _blurred(sums: Mapping[str, np.ndarray]) -> np.ndarray:
    lost = [
        _around(sums[f"lost_{axis}"]) / np.maximum(_around(sums[f"change_{axis}"]), 1e-6)
        for axis in "xy"
    ]
    return np.asarray(np.minimum(*lost) < _BLUR)


def _inked(sums: Mapping[str, np.ndarray]) -> np.ndarray:
    black = sums["neutral"] > _BLACK
    return np.asarray((sums["ink"] > _INK) | _inner(black))


def _inner(mask: np.ndarray) -> np.ndarray:
    """Connected parts of a mask that do not reach the edge of the slide, as padding does."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    return mask & ~np.isin(labels, edge)


def _folded(sums: Mapping[str, np.ndarray]) -> np.ndarray:
    """Dense cores, and what is dense beside them (S. Kothari, J. H. Phan, M. D. Wang 2013)."""
    whole = sums["tissue"] > 0.5
    if not whole.any():
        return whole
    total = sums["red"] + sums["green"] + sums["blue"]
    usual = float(np.percentile(total[whole] / sums["tissue"][whole], _DENSEST))
    relative = sums["least"] / max(usual, 1e-6)
    dense = relative > _BESIDE_FOLD
    count, labels = cv2.connectedComponents(dense.astype(np.uint8), connectivity=8)
    cores = np.bincount(labels[relative > _FOLD], minlength=count)
    cores[0] = 0
    return np.asarray(cores[labels] >= _FOLD_CELLS)


def _not_he(sums: Mapping[str, np.ndarray]) -> np.ndarray:
    red, green, blue = (_around(sums[name]) for name in ("red", "green", "blue"))
    length = np.sqrt(red**2 + green**2 + blue**2)
    dense = length > _DENSITY * np.maximum(_around(sums["tissue"]), 1e-6)
    other = (green < _GREEN * length) | (red > _RED * length) | (blue > _BLUE * length)
    return np.asarray(dense & other)


def _in_bubble(sums: Mapping[str, np.ndarray]) -> np.ndarray:
    """Round areas that dark, colourless cells enclose, and these cells."""
    ring = sums["neutral"] > _RING
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(
        (~ring).astype(np.uint8), connectivity=4
    )
    rows, columns = ring.shape
    found = np.zeros(ring.shape, np.uint8)
    for label in range(1, count):
        x, y, width, height, area = boxes[label].tolist()
        touches = x == 0 or y == 0 or x + width == columns or y + height == rows
        round_enough = area > _ROUND * max(width, height) ** 2
        if not touches and _ENCLOSED <= area <= _MOST_ENCLOSED and round_enough:
            found[labels == label] = 1
    if not found.any():
        return found.astype(bool)
    grown = cv2.dilate(found, np.ones((3, 3), np.uint8)).astype(bool)
    return found.astype(bool) | (grown & ring)
