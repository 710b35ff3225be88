"""Checks of a MATLAB file (version 5 to 7) before SciPy reads it, whose reader can crash on damage.

The layout is that of "MAT-File Format" (The MathWorks): after a header of 128 bytes, elements that
each begin with a type and a size; an array has the elements flags, dimensions, name and values.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

_HEADER = 128
_ARRAY, _COMPRESSED = 14, 15
_NUMBERS = {1, 2, 3, 4, 5, 6, 7, 9, 12, 13}
_NUMERIC_CLASSES = range(6, 16)
_FLAGS, _DIMENSIONS, _NAME = 6, 5, 1
_HEAD = 4096


def numeric_arrays(path: Path) -> list[str] | None:
    """Names of the numeric arrays of a file; None where it is of another version.

    Raises
    ------
    ValueError
        If an element of the file is of a type that there is not.
    """
    with path.open("rb") as file:
        header = file.read(_HEADER)
        order = {b"IM": "<", b"MI": ">"}.get(header[126:128])
        if order is None:
            return None
        names: list[str] = []
        while len(tag := file.read(8)) == 8:
            kind, size = struct.unpack(f"{order}2I", tag)
            begins = file.tell()
            if kind == _COMPRESSED:
                head = zlib.decompressobj().decompress(file.read(size), _HEAD)
            elif kind == _ARRAY:
                head = tag + file.read(min(size, _HEAD))
            else:
                raise ValueError(f"an element of type {kind}")
            name = _numeric_name(head, order)
            if name is not None:
                names.append(name)
            file.seek(begins + size)
    return names


def _numeric_name(head: bytes, order: str) -> str | None:
    """Name of an array from its first bytes; None where it does not hold numbers."""
    at, content = 8, []
    for expected in (_FLAGS, _DIMENSIONS, _NAME):
        kind, data, at = _element(head, at, order)
        if kind != expected:
            raise ValueError(f"an element of type {kind} in place of {expected}")
        content.append(data)
    if content[0][0 if order == "<" else 3] not in _NUMERIC_CLASSES:
        return None
    kind, _, _ = _element(head, at, order)
    if kind not in _NUMBERS:
        raise ValueError(f"values of type {kind}")
    return content[2].decode("latin-1")


def _element(head: bytes, at: int, order: str) -> tuple[int, bytes, int]:
    """Type and content of an element, and where the next begins."""
    try:
        kind, size = struct.unpack_from(f"{order}2I", head, at)
    except struct.error as error:
        raise ValueError("it is truncated") from error
    if kind >> 16:  # up to four bytes are in the place of the size
        return kind & 0xFFFF, head[at + 4 : at + 4 + (kind >> 16)], at + 8
    return kind, head[at + 8 : at + 8 + size], at + 8 + (size + 7) // 8 * 8
