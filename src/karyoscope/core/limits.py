"""Largest values that make sense, checked before a library is given them."""

from __future__ import annotations

from karyoscope.core.errors import KaryoscopeError

MOST_THREADS = 1024
"""More threads of a CPU than any machine has use for."""


LARGEST_RADIUS_UM = 10_000.0
"""A neighbourhood of a centimetre holds most of a slide."""


def check_radius(radius_um: float) -> str:
    """Message on an invalid radius of a neighbourhood; empty if it is valid.

    Examples
    --------
    >>> check_radius(50.0)
    ''
    >>> check_radius(1e300)
    'the radius is a length in µm, above 0 and at most 10000, not 1e+300'
    """
    number = isinstance(radius_um, (int, float)) and not isinstance(radius_um, bool)
    if number and 0 < radius_um <= LARGEST_RADIUS_UM:
        return ""
    shown = f"{radius_um:g}" if number else repr(radius_um)
    return f"the radius is a length in µm, above 0 and at most {LARGEST_RADIUS_UM:g}, not {shown}"


def check_threads(threads: int) -> None:
    """Refuse a number of threads that no machine has.

    Raises
    ------
    KaryoscopeError
        If it is not a whole number from 0 to :data:`MOST_THREADS`.

    Examples
    --------
    >>> check_threads(0)
    """
    whole = isinstance(threads, int) and not isinstance(threads, bool)
    if not whole or not 0 <= threads <= MOST_THREADS:
        raise KaryoscopeError(
            f"--workers {threads!r}: give a whole number of threads of the CPU, from 0 (all) to"
            f" {MOST_THREADS}"
        )
