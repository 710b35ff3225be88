"""The size stated in the header of an encoded tile, read before memory is allocated for it."""

from __future__ import annotations

import struct

_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xDA)}


def claimed_size(data: bytes) -> tuple[int, int] | None:
    r"""Width and height that JPEG, JPEG 2000 or PNG data claim; None where they state none.

    Examples
    --------
    >>> claimed_size(b"\xff\xd8\xff\xc0\x00\x11\x08\x00\x10\x00\x20")
    (32, 16)
    """
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data)
    if data.startswith(b"\x89PNG") and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    # A codestream, alone or in the boxes of a JP2 file.
    start = data.find(b"\xff\x4f\xff\x51")
    if start >= 0 and len(data) >= start + 24:
        right, bottom, left, top = struct.unpack(">4I", data[start + 8 : start + 24])
        return right - left, bottom - top
    return None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 4 <= len(data):
        if data[place] != 0xFF:
            return None
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
        elif marker in _WITHOUT_LENGTH:
            place += 2
        elif marker in _FRAMES and place + 9 <= len(data):
            height, width = struct.unpack(">HH", data[place + 5 : place + 9])
            return width, height
        else:
            place += 2 + struct.unpack(">H", data[place + 2 : place + 4])[0]
    return None
