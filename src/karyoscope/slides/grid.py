"""Levels of a pyramid, and the grid of a slide at a physical scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.scale import same_scale


@dataclass(frozen=True)
class Level:
    """One level of a pyramid.

    Attributes
    ----------
    width, height : int
        Size in pixels of this level.
    downsample_x, downsample_y : float
        Pixels of level 0 that one pixel of this level spans.
    """

    width: int
    height: int
    downsample_x: float = 1.0
    downsample_y: float = 1.0


@dataclass(frozen=True)
class Grid:
    """The pixels of a slide at one physical scale.

    Grid pixel ``i`` covers level 0 from ``i * scale`` to ``(i + 1) * scale``, so that a point at
    ``u`` on the grid (corner origin) is at ``u * scale`` on level 0.

    Attributes
    ----------
    width, height : int
        Size in grid pixels; the last ones may reach beyond the slide.
    scale_x, scale_y : float
        Pixels of level 0 that one grid pixel spans.
    """

    width: int
    height: int
    scale_x: float
    scale_y: float


def pyramid_level(size: tuple[int, int], width: int, height: int) -> Level:
    """Return a level of a pyramid, its downsample a whole number where rounding allows."""
    return Level(width, height, _downsample(size[0], width), _downsample(size[1], height))


def _downsample(full: int, reduced: int) -> float:
    whole = max(1, round(full / reduced))
    # Writers drop or complete the last, partial pixel of each level.
    return float(whole) if abs(full / whole - reduced) <= 1 else full / reduced


def check_levels(reader: str, levels: Sequence[Level]) -> None:
    """Check that smaller levels of a pyramid state how much smaller they are.

    Raises
    ------
    KaryoscopeError
        If there is no level, or a level of at most half the width of level 0 has a downsample of 1.
    """
    if not levels:
        raise KaryoscopeError(f"{reader}._open has set no levels")
    for number, level in enumerate(levels):
        if level.downsample_x == 1 and 2 * level.width <= levels[0].width:
            raise KaryoscopeError(
                f"{reader}: level {number} is {level.width} pixels wide and level 0"
                f" {levels[0].width}, but its downsample is 1; make levels with"
                " karyoscope.slides.grid.pyramid_level"
            )


def grid_of(size: tuple[int, int], scale_x: float, scale_y: float) -> Grid:
    """Return the grid over an image of ``size`` (width, height), at least one pixel wide."""
    width, height = (
        max(1, math.ceil(full / scale - 1e-6))
        for full, scale in zip(size, (scale_x, scale_y), strict=True)
    )
    return Grid(width, height, scale_x, scale_y)


def whole_scale(scale: float) -> float:
    """Return the whole number that a scale is within 3 % of, else the scale."""
    whole = max(1, round(scale))
    return float(whole) if same_scale(scale, whole) else scale
