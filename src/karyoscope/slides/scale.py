"""Pixel size: from metadata or from the user, with plausibility checks."""

from __future__ import annotations

import math
from dataclasses import dataclass

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.remarks import warn
from karyoscope.core.scale import LARGEST_MPP, SMALLEST_MPP, is_plausible

MPP_SOURCES = {
    "file": "stated by the file",
    "objective": "assumed from the objective that the file states",
    "given": "given, since the file states none",
    "override": "given, in place of what the file states",
}
"""Where the size of a pixel may come from, and in words."""

CONTRADICTION = 0.10
"""Relative difference between two statements of a pixel size that is worth a warning."""


@dataclass(frozen=True)
class RecordedScale:
    """Scale that a file states; ``None`` for what it does not state.

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


@dataclass(frozen=True)
class Scale:
    """Size of a pixel of level 0, and where it comes from.

    Attributes
    ----------
    mpp : (float, float)
        Micrometres per pixel along x and y.
    source : str
        A key of :data:`MPP_SOURCES`.
    """

    mpp: tuple[float, float]
    source: str


def resolve_scale(
    label: str, given: float | None, recorded: RecordedScale, override: float | None = None
) -> Scale:
    """Decide on the size of a pixel of level 0.

    An override wins; then what the file records, with a warning where it contradicts itself or
    the given value; then the given value; then 10 / objective (40x = 0.25), with a warning that
    names the assumption.

    Parameters
    ----------
    label : str
        Name of the slide, for messages.
    given : float or None
        µm per pixel, for a file that states none.
    recorded : RecordedScale
    override : float or None
        µm per pixel, whatever the file states.

    Raises
    ------
    KaryoscopeError
        If a given value is absurd, or nothing is given and nothing plausible recorded.
    """
    for flag, value in (("--mpp", given), ("--override-mpp", override)):
        if value is not None and not is_plausible(value):
            raise KaryoscopeError(
                f"{label}: {flag} {value:g} is not a pixel size; it is in µm per pixel, from"
                f" {SMALLEST_MPP:g} to {LARGEST_MPP:g} (0.25 at 40x, 0.5 at 20x)"
            )
    stated = recorded.mpp if recorded.mpp and all(map(is_plausible, recorded.mpp)) else None
    if override is not None:
        if stated and _apart(stated, override):
            _warn(f"{label} states {stated[0]:g} µm/px, but {override:g} is given to override it")
        return Scale((float(override), float(override)), "override" if stated else "given")
    if stated:
        if given is not None and _apart(stated, given):
            _warn(
                f"{label} states {stated[0]:g} µm/px, which is used; --mpp {given:g} is for files"
                " that state none, --override-mpp is for all"
            )
        elif recorded.doubt:
            _warn(
                f"{label} states {stated[0]:g} µm/px, but {recorded.doubt}; {stated[0]:g} is used,"
                " give --override-mpp if it is another"
            )
        if _apart(stated, stated[0]):
            _warn(
                f"{label} states pixels that are not square ({stated[0]:g} x {stated[1]:g} µm);"
                " give --override-mpp if they are"
            )
        return Scale(stated, "file")
    assumed = 10 / recorded.objective if recorded.objective else math.nan
    if given is not None:
        if is_plausible(assumed) and not 2 / 3 < given / assumed < 3 / 2:
            _warn(
                f"{label} states its objective ({recorded.objective:g}x, which is about"
                f" {assumed:g} µm/px), but --mpp {given:g} is given; {given:g} is used"
            )
        return Scale((float(given), float(given)), "given")
    if is_plausible(assumed):
        _warn(
            f"{label} states its objective ({recorded.objective:g}x) but no pixel size; "
            f"{assumed:g} µm/px is assumed, give --mpp if it is another"
        )
        return Scale((assumed, assumed), "objective")
    if recorded.mpp:
        raise KaryoscopeError(
            f"{label}: its metadata state {recorded.mpp[0]:g} µm per pixel, which is no"
            " plausible pixel size of a microscope; give the pixel size with --mpp"
        )
    raise KaryoscopeError(
        f"{label}: the file does not state its pixel size; give it with --mpp (µm per pixel)"
    )


def differ(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether two pixel sizes, along x and y, contradict each other."""
    return any(abs(a / b - 1) > CONTRADICTION for a, b in zip(one, other, strict=True))


def _apart(stated: tuple[float, float], given: float) -> bool:
    return abs(math.sqrt(stated[0] * stated[1]) / given - 1) > CONTRADICTION


def _warn(line: str) -> None:
    # Of the caller of open_slide, over the constructor of the reader.
    warn(line, stacklevel=6)
