"""Test-time augmentation: the mean of the maps over flips, rotations, stains and dropout."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from karyoscope.core.maps import is_vector
from karyoscope.inference.engine import Maps
from karyoscope.inference.stain_jitter import change_stains, stain_gains

VIEWS = (1, 2, 4, 8, 16)
"""How many views can be averaged."""

# (rotations by 90°, mirrored left-right), in the order in which they are added.
_ORIENTATIONS = [
    (0, False),
    (0, True),
    (2, False),
    (2, True),
    (1, False),
    (1, True),
    (3, False),
    (3, True),
]

Run = Callable[[np.ndarray], Maps]
"""(n, h, w, 3) uint8 -> maps with a leading n."""
RandomRun = Callable[[np.ndarray, int], Maps]
"""Likewise, with what the network does at random drawn by the number of the pass."""


def average_over_views(
    run: Run, image: np.ndarray, views: int, random_run: RandomRun | None = None
) -> Maps:
    """Run an image in several orientations and average the maps.

    Parameters
    ----------
    run, views, random_run : callable, int, callable
        See :func:`average_batch_over_views`.
    image : ndarray of uint8, shape (h, w, 3)

    Returns
    -------
    dict of str to ndarray of float32, shape (h, w[, channels])
    """
    maps = average_batch_over_views(run, image[None], views, random_run)
    return {name: values[0] for name, values in maps.items()}


def average_batch_over_views(
    run: Run, images: np.ndarray, views: int, random_run: RandomRun | None = None
) -> Maps:
    """Run images of one size in several orientations and average the maps of each.

    Sixteen are the passes of Rumberger et al. 2022, section II.F: each orientation twice, every
    pass with other amounts of stain and other units dropped out. What changes from pass to pass
    is fixed, so windows and slides are all seen alike, and results do not depend on tiling.

    Parameters
    ----------
    run : callable
        (n, h, w, 3) uint8 -> maps with a leading n.
    images : ndarray of uint8, shape (n, h, w, 3)
    views : int
        1 (as they are), 2 (and mirrored), 4 (and upside down), 8 (and rotated by 90°), 16
        (each of these twice, with other stains and dropout).
    random_run : callable, optional
        Runs the passes of 16; ``run`` without dropout where not given.

    Returns
    -------
    dict of str to ndarray of float32, shape (n, h, w[, channels])
    """
    total: Maps = {}
    for number, (view, turns, mirrored) in enumerate(_views(images, views)):
        batch = np.ascontiguousarray(view)
        maps = random_run(batch, number) if random_run and views > 8 else run(batch)
        for name, stack in maps.items():
            upright = _undo(name, stack, turns, mirrored)
            total[name] = total[name] + upright if name in total else upright
    if views == 1:
        return total
    return {name: np.ascontiguousarray(sum_) / views for name, sum_ in total.items()}


def _views(images: np.ndarray, views: int) -> Iterator[tuple[np.ndarray, int, bool]]:
    """Each view of a batch, its number of rotations by 90°, and whether it is mirrored then."""
    gains = stain_gains(views) if views > len(_ORIENTATIONS) else [None] * views
    for number, gain in enumerate(gains):
        turns, mirrored = _ORIENTATIONS[number % len(_ORIENTATIONS)]
        if gain is None:
            stained = images
        else:
            stained = np.stack([change_stains(image, gain) for image in images])
        view = np.rot90(stained, turns, axes=(1, 2))
        yield view[:, :, ::-1] if mirrored else view, turns, mirrored


def _undo(name: str, values: np.ndarray, turns: int, mirrored: bool) -> np.ndarray:
    """Rotate the maps of a batch back, and their vectors where they hold any."""
    vectors = is_vector(name)
    if mirrored:
        values = values[:, :, ::-1]
        if vectors:
            values = values * np.array([-1, 1], values.dtype)
    for _ in range(turns):
        values = np.rot90(values, -1, axes=(1, 2))
        if vectors:
            # A clockwise rotation by 90° takes (x, y) to (-y, x), y pointing down.
            values = np.stack([-values[..., 1], values[..., 0]], -1)
    return values
