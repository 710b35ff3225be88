"""Kinds of faults that quality control of a slide tells apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from karyoscope.core.errors import KaryoscopeError


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes
    ----------
    name : str
        Name on the command line and in files.
    definition : str
        Description of a cell of the slide that has the fault.
    color : tuple of int
        Red, green and blue of its mask in pictures.
    """

    name: str
    definition: str
    color: tuple[int, int, int]


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("blur", "out of focus, by about 1.5 µm (standard deviation) or more", (230, 159, 0)),
        Kind("pen", "ink of a green, blue, red or black pen", (0, 158, 115)),
        Kind("fold", "tissue that lies twice: about twice as dense as usual", (0, 60, 190)),
        Kind("bubble", "air under the coverslip: what a dark, colourless ring encloses", (0, 0, 0)),
        Kind("saturation", "a colour channel at its least or greatest value", (213, 94, 0)),
        Kind("staining", "colours that haematoxylin and eosin do not have", (170, 51, 187)),
    )
}
"""Kinds of faults by name, in the order of tables."""


def known_kinds(names: Sequence[str] | str) -> tuple[str, ...]:
    """Return names of kinds as they are in the tables.

    Parameters
    ----------
    names : sequence of str, or str
        Names in upper or lower case; a text holds them with commas between.

    Raises
    ------
    KaryoscopeError
        If one is unknown; lists those there are.

    Examples
    --------
    >>> known_kinds("Blur, pen")
    ('blur', 'pen')
    """
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",") if name.strip()]
    found = tuple(str(name).casefold() for name in names)
    for given, name in zip(names, found, strict=True):
        if name not in KINDS:
            raise KaryoscopeError(f"no kind of fault {given!r}: there are {', '.join(KINDS)}")
    return found
