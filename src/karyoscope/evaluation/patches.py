"""The patches of CoNIC, for predictions as well as for the truth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from karyoscope.datasets.conic_patches import SIZE, patch_corners

__all__ = ["SIZE", "cut", "patch_corners"]


def cut(
    maps: dict[str, np.ndarray | None], height: int, width: int
) -> Iterator[tuple[tuple[int, int], dict[str, np.ndarray | None]]]:
    """Cut the maps of one image into patches of 256 x 256 pixels.

    Positions and order are CoNIC's: patches without overlap from the top left, then patches that
    end at the bottom and the right edge and overlap those; smaller images are padded by
    reflection. See :mod:`karyoscope.datasets.conic_patches`.

    Parameters
    ----------
    maps : dict of str to ndarray, shape (height, width, ...), or None
        Maps that are None, or that are tables with one axis, pass unchanged.
    height, width : int
        Size of the image.

    Yields
    ------
    corner : tuple of int
        Row and column of the patch in the image; negative where it was padded.
    maps : dict
        The same maps, (256, 256, ...).
    """
    corners = patch_corners(height, width)
    rows, columns = (np.array(axis) for axis in zip(*corners, strict=True))
    pad = (
        (max(0, -rows.min()), max(0, rows.max() + SIZE - height)),
        (max(0, -columns.min()), max(0, columns.max() + SIZE - width)),
    )
    padded = {name: _reflected(array, pad) for name, array in maps.items()}
    for row, column in corners:
        top, left = row + pad[0][0], column + pad[1][0]
        window = (slice(top, top + SIZE), slice(left, left + SIZE))
        yield (
            (row, column),
            {name: a if a is None or a.ndim < 2 else a[window] for name, a in padded.items()},
        )


def _reflected(
    array: np.ndarray | None, pad: tuple[tuple[int, int], tuple[int, int]]
) -> np.ndarray | None:
    if array is None or array.ndim < 2 or not any(map(any, pad)):
        return array
    return np.pad(array, (*pad, *[(0, 0)] * (array.ndim - 2)), mode="reflect")
