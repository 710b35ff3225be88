"""The part of a slide that becomes an annotated image, from a region that a person reviewed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from karyoscope.core.errors import KaryoscopeError

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

#: Longest edge of the image, in pixels of level 0.
LARGEST_EDGE = 8192


class ReviewedWindow(NamedTuple):
    """A reviewed region and the window around it, in pixels of level 0.

    Attributes
    ----------
    region : shapely geometry
        What of the region lies on the slide.
    left, top, right, bottom : int
        Edges of the window; the last two are not part of it.
    """

    region: BaseGeometry
    left: int
    top: int
    right: int
    bottom: int


def reviewed_window(region: BaseGeometry, size: tuple[int, int], label: str) -> ReviewedWindow:
    """Find the window around a region on a slide.

    Parameters
    ----------
    region : shapely geometry
        Valid; in pixels of level 0.
    size : (int, int)
        Width and height of the slide.
    label : str
        Name of the region, for messages.

    Raises
    ------
    KaryoscopeError
        If the region lies off the slide, or an edge of the window is longer than 8192 pixels.
    """
    # Only here: most commands have no need of it.
    import shapely

    region = region.intersection(shapely.box(0, 0, *size))
    if region.is_empty or not region.area:
        raise KaryoscopeError(f"{label} lies off the slide")
    left, top = (int(v) for v in np.floor(region.bounds[:2]))
    right, bottom = (int(v) for v in np.ceil(region.bounds[2:]))
    if max(right - left, bottom - top) > LARGEST_EDGE:
        raise KaryoscopeError(f"{label} is wider than {LARGEST_EDGE} pixels; review it in parts")
    return ReviewedWindow(region, left, top, right, bottom)
