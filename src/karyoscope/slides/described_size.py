"""Metadata that describe an image of another size: kept from before it was reduced or cropped."""

from __future__ import annotations

import re

_SIZE = re.compile(r"(\d+)\s*x\s*(\d+)")
_TOLERANCE = 0.01


def doubt_by_aperio(description: str, width: int, height: int) -> str:
    """What an Aperio description says against its pixel size, for a person to read.

    Its second line begins with the sizes of the scanned and of the cropped image, and behind an
    arrow that of a reduced one: ``46920x33014 [0,100 46000x32914] (256x256) -> 11500x8228 JPEG``.

    Parameters
    ----------
    description : str
    width, height : int
        Size of the image in pixels.

    Returns
    -------
    str
        Empty where it describes an image of this size that is not reduced, or no size.
    """
    lines = description.splitlines()
    if len(lines) < 2:
        return ""
    first = re.sub(r"\([^)]*\)", "", re.split(r"[|;]", lines[1])[0])
    before, arrow, after = first.partition("->")
    sizes = _sizes(before)
    reduced = _sizes(after)[:1] if arrow else []
    if sizes and reduced and _same(reduced[0], (width, height)):
        return "" if _same(sizes[-1], reduced[0]) else _doubt("Aperio description", sizes[-1:])
    if not sizes or any(_same(size, (width, height)) for size in sizes):
        return ""
    return _doubt("Aperio description", reduced or sizes[-1:])


def doubt_by_ome(described: tuple[int, int] | None, width: int, height: int) -> str:
    """What ``SizeX`` and ``SizeY`` of OME metadata say against its pixel size; empty if nothing.

    Parameters
    ----------
    described : (int, int) or None
        Both in pixels; None where they are not stated.
    width, height : int
        Size of the image in pixels.
    """
    if described is None or _same(described, (width, height)):
        return ""
    return _doubt("OME metadata", [described])


def _sizes(text: str) -> list[tuple[int, int]]:
    return [(int(width[:12]), int(height[:12])) for width, height in _SIZE.findall(text)]


def _same(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return all(abs(a - b) <= max(1, _TOLERANCE * b) for a, b in zip(one, other, strict=True))


def _doubt(source: str, sizes: list[tuple[int, int]]) -> str:
    width, height = sizes[0]
    return (
        f"for an image of {width} x {height} pixels by its {source}, and this one was reduced or"
        " cropped since"
    )
