"""The physical size of a pixel: what the metadata say, what the user says, and what is absurd."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

from karyoscope.core.errors import KaryoscopeError

LARGEST_MPP = 2.0
"""Above this (5x) nuclei are a few pixels wide: a value read from a dpi tag, not a microscope."""

CONTRADICTION = 0.10
"""Relative difference between two statements of a pixel size that is worth a warning."""


@dataclass(frozen=True)
class RecordedScale:
    """What a file says about its scale; ``None`` where it says nothing.

    Attributes
    ----------
    mpp : (float, float) or None
        Micrometres per pixel of level 0, along x and y.
    objective : float or None
        Nominal magnification.
    doubt : str
        What in the metadata contradicts ``mpp``; empty where nothing does.
    """

    mpp: tuple[float, float] | None = None
    objective: float | None = None
    doubt: str = ""


def is_plausible(mpp: float) -> bool:
    """Tell whether a pixel size, in µm, can be that of a slide."""
    return math.isfinite(mpp) and 0 < mpp <= LARGEST_MPP


def resolve_mpp(label: str, given: float | None, recorded: RecordedScale) -> tuple[float, float]:
    """Pixel size of level 0 along x and y, in µm.

    A given value wins; then what the file records, with a warning where it contradicts itself;
    then 10 / objective (40x = 0.25), with a warning that names the assumption.

    Raises
    ------
    KaryoscopeError
        If the given value is absurd, or nothing is given and nothing plausible recorded.
    """
    stated = recorded.mpp if recorded.mpp and all(map(is_plausible, recorded.mpp)) else None
    if given is not None:
        if not is_plausible(given):
            raise KaryoscopeError(
                f"{label}: --mpp {given:g} is not a pixel size; it is in µm per pixel, above 0 and"
                f" at most {LARGEST_MPP:g} (0.25 at 40x, 0.5 at 20x)"
            )
        _warn_of_contradiction(label, given, stated)
        return float(given), float(given)
    if stated:
        if recorded.doubt:
            warnings.warn(
                f"{label} states {stated[0]:g} µm/px, but {recorded.doubt}; {stated[0]:g} is used,"
                " give --mpp if it is another",
                stacklevel=5,
            )
        return stated
    if recorded.objective and is_plausible(10 / recorded.objective):
        assumed = 10 / recorded.objective
        warnings.warn(
            f"{label} states its objective ({recorded.objective:g}x) but no pixel size; "
            f"{assumed:g} µm/px is assumed, give --mpp if it is another",
            stacklevel=5,
        )
        return assumed, assumed
    if recorded.mpp:
        raise KaryoscopeError(
            f"{label}: its metadata state {recorded.mpp[0]:g} µm per pixel, which is not a"
            " microscope's; give the pixel size with --mpp"
        )
    raise KaryoscopeError(
        f"{label}: the file does not state its pixel size; give it with --mpp (µm per pixel)"
    )


def differ(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Tell whether two pixel sizes, along x and y, cannot both be true."""
    return any(abs(a / b - 1) > CONTRADICTION for a, b in zip(one, other, strict=True))


def _warn_of_contradiction(label: str, given: float, stated: tuple[float, float] | None) -> None:
    if stated and abs(math.sqrt(stated[0] * stated[1]) / given - 1) > CONTRADICTION:
        warnings.warn(
            f"{label} states {stated[0]:g} µm/px, but {given:g} is given; {given:g} is used",
            stacklevel=6,
        )
