"""Looks at the directories of a TIFF file before a library follows them wherever they point."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from karyoscope.core.errors import KaryoscopeError

MOST_DIRECTORIES = 4096
"""Pages and pyramid levels of a file, at most: each costs time and memory to look at."""

_SUBIFDS = 330
_MOST_TAGS = 4096
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}


def check_directories(path: Path) -> None:
    """Refuse a TIFF file whose directories run in a circle or are too many.

    A directory that is cut off, or is none, is left for the reader to name.

    Raises
    ------
    KaryoscopeError
        If a chain of directories comes back to itself, or there are more than
        :data:`MOST_DIRECTORIES`.
    """
    with path.open("rb") as file:
        layout = _Layout.of(file.read(16))
        if layout is None:
            return
        chains, seen = [layout.first], set[int]()
        while chains:
            offset, chain = chains.pop(), set[int]()
            while offset:
                if offset in chain:
                    raise KaryoscopeError(
                        f"{path} is a damaged TIFF file: its list of pages has a loop"
                    )
                chain.add(offset)
                if offset in seen:
                    break
                seen.add(offset)
                try:
                    offset, below = layout.directory(file, offset)
                except struct.error:
                    break  # beyond the end of the file
                chains += below
                if len(seen) + len(chains) > MOST_DIRECTORIES:
                    raise KaryoscopeError(
                        f"{path}: more than {MOST_DIRECTORIES} pages or levels; a slide has a few"
                    )


class _Layout:
    """Where the parts of a directory lie, in classic TIFF and in BigTIFF."""

    def __init__(self, order: str, big: bool, first: int) -> None:
        self._order, self.first = order, first
        self._offset, self._count = ("Q", "Q") if big else ("I", "H")

    @classmethod
    def of(cls, head: bytes) -> _Layout | None:
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        if order is None or len(head) < 8:
            return None
        big = struct.unpack(order + "H", head[2:4])[0] == 43
        if not big:
            return cls(order, False, struct.unpack(order + "I", head[4:8])[0])
        return cls(order, True, struct.unpack(order + "Q", head[8:16].ljust(8, b"\0"))[0])

    def directory(self, file: BinaryIO, start: int) -> tuple[int, list[int]]:
        """Position of the next directory, and of those below this one."""
        (tags,) = self._read(file, start, self._count)
        if tags > _MOST_TAGS:
            raise struct.error("no directory")
        entry = struct.calcsize(f"{self._order}HH{self._offset}{self._offset}")
        at = start + struct.calcsize(self._order + self._count)
        below: list[int] = []
        for n in range(tags):
            place = at + n * entry
            code, kind, count = self._read(file, place, "HH" + self._offset)
            if code == _SUBIFDS:
                below += self._offsets(file, place, kind, count)
        (following,) = self._read(file, at + tags * entry, self._offset)
        return following, below

    def _offsets(self, file: BinaryIO, place: int, kind: int, count: int) -> list[int]:
        value = place + struct.calcsize(f"{self._order}HH{self._offset}")
        # One more than there may be is enough to refuse.
        count = min(count, MOST_DIRECTORIES + 1)
        width = _SIZES.get(kind, 8)
        if width * count > struct.calcsize(self._order + self._offset):
            (value,) = self._read(file, value, self._offset)
        letter = {2: "H", 4: "I"}.get(width, "Q")
        return list(self._read(file, value, letter * count))

    def _read(self, file: BinaryIO, at: int, letters: str) -> tuple[int, ...]:
        file.seek(at)
        form = self._order + letters
        return struct.unpack(form, file.read(struct.calcsize(form)))
