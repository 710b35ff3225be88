"""Which pixel sizes are plausible, and when two count as the same: one rule everywhere."""

from __future__ import annotations

import math

SMALLEST_MPP = 0.05
"""Below this (200x) nuclei are hundreds of pixels wide: a unit mistaken, not a microscope."""

LARGEST_MPP = 2.0
"""Above this (5x) nuclei are a few pixels wide: a value read from a dpi tag, not a microscope."""

#: Relative difference of pixel sizes that still counts as the same. Scanners state 0.2500 to
#: 0.2527 µm/px for one and the same 40x, and 3 % do not change the result of a network.
SAME_SCALE = 0.03


def is_plausible(mpp: float) -> bool:
    """Whether a pixel size, in µm, is plausible for an image of nuclei.

    Examples
    --------
    >>> is_plausible(0.25), is_plausible(250.0), is_plausible(float("nan"))
    (True, False, False)
    """
    return math.isfinite(mpp) and SMALLEST_MPP <= mpp <= LARGEST_MPP


def same_scale(first: float, second: float) -> bool:
    """Whether two pixel sizes agree within 3 %; False if one of them is unknown.

    Parameters
    ----------
    first, second : float
        Micrometres per pixel, or any other measure of scale; NaN where unknown.

    Returns
    -------
    bool

    Examples
    --------
    >>> same_scale(0.2527, 0.25), same_scale(0.26, 0.25), same_scale(float("nan"), 0.25)
    (True, False, False)
    """
    return abs(first / second - 1) <= SAME_SCALE
