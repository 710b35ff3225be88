"""New label maps from old: every nucleus moved and rotated a little (smile, section II.A)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

# Moves that are drawn for a nucleus before the least bad of them is taken.
_TRIES = 8


@dataclass(frozen=True)
class Jittered:
    """A label map whose nuclei were moved.

    Attributes
    ----------
    inst_map : ndarray of int32, shape (h, w)
        The nuclei with the ids they had, so that a table of classes by id still holds.
    lost : tuple of int
        Ids that found no free pixel; empty but for the most crowded maps.
    """

    inst_map: np.ndarray
    lost: tuple[int, ...]


def jitter_nuclei(
    inst_map: np.ndarray, rng: np.random.Generator, shift: float = 3.0, turn: float = 3.0
) -> Jittered:
    """Move every nucleus by up to ``shift`` px along each axis and rotate it by up to ``turn``°.

    Each nucleus is moved as a whole about its centroid, by amounts drawn evenly; its shape is read
    at the nearest pixel. The paper does not say what happens to nuclei that come to overlap. Here:

    * A nucleus that touches the edge of the map stays where it is: the rest of its shape is not
      known.
    * The others are placed from the smallest to the largest. A nucleus takes the first of eight
      random moves that costs it no pixel, or else the move, or its old place, that costs it the
      fewest. It loses the pixels that are beyond the edge or belong to a nucleus placed before.
    * Where that cuts a nucleus into more pieces than it had, the largest remain.

    Parameters
    ----------
    inst_map : ndarray of int, shape (h, w)
        Ids, 0 for background; negative values count as background.
    rng : Generator
        The same state gives the same map.
    shift : float
        Pixels.
    turn : float
        Degrees.

    Returns
    -------
    Jittered
    """
    result = np.zeros(inst_map.shape, np.int32)
    moving: list[tuple[int, int, tuple[slice, slice]]] = []
    labels = np.maximum(inst_map, 0).astype(np.int32)
    for nucleus, box in enumerate(ndimage.find_objects(labels), 1):
        if box is None:
            continue
        if _touches_edge(box, labels.shape):
            result[box][labels[box] == nucleus] = nucleus
        else:
            moving.append((int(np.count_nonzero(labels[box] == nucleus)), nucleus, box))
    lost = []
    for area, nucleus, box in sorted(moving, key=lambda entry: entry[:2]):
        mask = labels[box] == nucleus
        corner = (box[0].start, box[1].start)
        placed = _place(mask, corner, area, result, rng, shift, math.radians(turn))
        if placed is None:
            lost.append(nucleus)
            continue
        rows, columns = placed
        result[rows, columns] = nucleus
    return Jittered(result, tuple(lost))


def _touches_edge(box: tuple[slice, slice], shape: tuple[int, ...]) -> bool:
    return any(s.start == 0 or s.stop == length for s, length in zip(box, shape, strict=True))


def _place(
    mask: np.ndarray,
    corner: tuple[int, int],
    area: int,
    taken: np.ndarray,
    rng: np.random.Generator,
    shift: float,
    turn: float,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Rows and columns that a nucleus gets, or None where all its places are taken."""
    best, fewest_lost = None, area
    for _ in range(_TRIES):
        dy, dx = rng.uniform(-shift, shift, 2)
        rows, columns = _moved(mask, dy, dx, rng.uniform(-turn, turn))
        free = _free(rows + corner[0], columns + corner[1], taken)
        lost = len(rows) - len(free[0])
        if len(free[0]) and (best is None or lost < fewest_lost):
            best, fewest_lost = free, lost
        if best is not None and fewest_lost == 0:
            break
    else:
        rows, columns = np.nonzero(mask)
        free = _free(rows + corner[0], columns + corner[1], taken)
        if len(free[0]) and (best is None or area - len(free[0]) < fewest_lost):
            best = free
    return None if best is None else _largest_pieces(*best, _pieces(mask))


def _moved(mask: np.ndarray, dy: float, dx: float, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns, from the corner of the mask, of the mask moved and rotated."""
    height, width = mask.shape
    rows, columns = np.nonzero(mask)
    y, x = rows.mean(), columns.mean()
    reach = math.ceil(math.hypot(height, width) * abs(math.sin(angle)) + max(abs(dy), abs(dx))) + 1
    row, column = np.mgrid[-reach : height + reach, -reach : width + reach]
    # Every pixel asks which pixel of the mask comes to lie on it.
    v, u = row - y - dy, column - x - dx
    cos, sin = math.cos(angle), math.sin(angle)
    from_row = np.floor(cos * v - sin * u + y + 0.5).astype(np.int64)
    from_column = np.floor(sin * v + cos * u + x + 0.5).astype(np.int64)
    inside = (from_row >= 0) & (from_row < height) & (from_column >= 0) & (from_column < width)
    inside[inside] = mask[from_row[inside], from_column[inside]]
    return row[inside], column[inside]


def _free(
    rows: np.ndarray, columns: np.ndarray, taken: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Those of the pixels that lie on the map and belong to no nucleus."""
    height, width = taken.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    rows, columns = rows[inside], columns[inside]
    free = taken[rows, columns] == 0
    return rows[free], columns[free]


def _pieces(mask: np.ndarray) -> int:
    return cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] - 1


def _largest_pieces(
    rows: np.ndarray, columns: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The largest ``count`` 8-connected pieces of a set of pixels."""
    top, left = rows.min(), columns.min()
    mask = np.zeros((rows.max() - top + 1, columns.max() - left + 1), np.uint8)
    mask[rows - top, columns - left] = 1
    labels = cv2.connectedComponents(mask, connectivity=8)[1]
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    largest = np.argsort(-sizes, kind="stable")[:count]
    kept = np.isin(labels[rows - top, columns - left], largest[sizes[largest] > 0])
    return rows[kept], columns[kept]
