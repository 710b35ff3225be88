"""Filters of a picture, computed in strips of rows, so that their working arrays stay small.

Each strip is computed with as many rows around it as a filter reaches, so that the result is that
of the whole picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np

#: Rows of a strip.
_ROWS = 256


def strips(height: int, reach: int) -> Iterator[tuple[slice, slice, slice]]:
    """Divide the rows of a picture.

    Parameters
    ----------
    height : int
        Rows of the picture.
    reach : int
        Rows beyond a strip that its pixels depend on.

    Yields
    ------
    own : slice
        Rows of the strip, of the picture.
    wide : slice
        The same rows and those around them that are read.
    inner : slice
        Rows of the strip, of what is read.
    """
    for top in range(0, height, _ROWS):
        bottom = min(height, top + _ROWS)
        first = max(0, top - reach)
        yield (
            slice(top, bottom),
            slice(first, min(height, bottom + reach)),
            slice(top - first, bottom - first),
        )


def within(mask: np.ndarray, radius: float) -> np.ndarray:
    """Return the pixels within a distance of a mask.

    Parameters
    ----------
    mask : ndarray of bool, shape (h, w)
    radius : float
        Greatest distance between the centres of pixels, in pixels.

    Returns
    -------
    ndarray of bool, shape (h, w)
        False everywhere if the mask is empty.

    Examples
    --------
    >>> within(np.array([[True, False, False, False]]), 2)
    array([[ True,  True,  True, False]])
    """
    found = np.zeros(mask.shape, bool)
    for own, wide, inner in strips(len(mask), math.ceil(radius) + 1):
        part = mask[wide]
        if part.any():
            rest = (~part).view(np.uint8)
            distance = cv2.distanceTransform(rest, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            found[own] = distance[inner] <= radius
    return found


def closed(mask: np.ndarray, radius: float) -> np.ndarray:
    """Close gaps of a mask that are narrower than twice a radius.

    Parameters
    ----------
    mask : ndarray of bool, shape (h, w)
    radius : float
        In pixels; less than 1 closes nothing.

    Returns
    -------
    ndarray of bool, shape (h, w)
        The edge of the picture does not count as a border of a gap.
    """
    if radius < 1 or not mask.any():
        return mask
    margin = math.ceil(radius) + 1
    grown = within(np.pad(mask, margin), radius)
    np.logical_not(grown, out=grown)
    # What is farther than the radius from all that is not grown.
    return mask | ~within(grown, radius)[margin:-margin, margin:-margin]
