"""When two pixel sizes count as the same: one tolerance for reading, training and scoring."""

from __future__ import annotations

#: Relative difference of pixel sizes that still counts as the same. Scanners state 0.2500 to
#: 0.2527 µm/px for one and the same 40x, and no network sees 3 %.
SAME_SCALE = 0.03


def same_scale(first: float, second: float) -> bool:
    """Whether two pixel sizes count as the same; never where one is unknown.

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
