"""Test-time augmentation: the mean of the maps over flips and quarter turns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from karyoscope.inference.engine import Maps

VIEWS = (1, 2, 4, 8)
"""How many views can be averaged."""

# (quarter turns, mirrored left-right), in the order in which they are added.
_VIEWS = [
    (0, False),
    (0, True),
    (2, False),
    (2, True),
    (1, False),
    (1, True),
    (3, False),
    (3, True),
]
#: Maps that hold vectors (x, y) in pixels: turning the image turns them too.
_VECTORS = ("hv", "centre")


def average_over_views(run: Callable[[np.ndarray], Maps], image: np.ndarray, views: int) -> Maps:
    """Run an image in several orientations and average the maps.

    Parameters
    ----------
    run : callable
        (n, h, w, 3) uint8 -> maps with a leading n.
    image : ndarray of uint8, shape (h, w, 3)
    views : int
        1 (as it is), 2 (and mirrored), 4 (and upside down), 8 (and turned by a quarter).

    Returns
    -------
    dict of str to ndarray of float32, shape (h, w[, channels])
    """
    total: Maps = {}
    for turns, mirrored in _VIEWS[:views]:
        view = np.rot90(image, turns)
        view = view[:, ::-1] if mirrored else view
        for name, stack in run(np.ascontiguousarray(view)[None]).items():
            upright = _undo(name, stack[0], turns, mirrored)
            total[name] = total[name] + upright if name in total else upright
    return {name: np.ascontiguousarray(sum_) / views for name, sum_ in total.items()}


def _undo(name: str, values: np.ndarray, turns: int, mirrored: bool) -> np.ndarray:
    """Turn a map back, and its vectors where it holds any."""
    vectors = name in _VECTORS
    if mirrored:
        values = values[:, ::-1]
        if vectors:
            values = values * np.array([-1, 1], values.dtype)
    for _ in range(turns):
        values = np.rot90(values, -1)
        if vectors:
            # A clockwise quarter turn takes (x, y) to (-y, x), y pointing down.
            values = np.stack([-values[..., 1], values[..., 0]], -1)
    return values
