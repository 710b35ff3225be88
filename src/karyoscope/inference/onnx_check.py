"""Whether an ONNX graph keeps its weights in other files, which no bundle may.

Runtimes look for such files in the current folder, whoever put them there. The graph is a
`protocol buffer <https://protobuf.dev/programming-guides/encoding/>`_, of which only the messages
that lead to a tensor are entered (the numbers are those of ``onnx.proto3``).
"""

from __future__ import annotations

from collections.abc import Iterator

_MOST_NESTED = 64
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
#: Fields that are messages: of which kind, by the kind of the message that they are in.
_INNER = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14


def has_external_data(graph: bytes) -> bool:
    """Whether a graph refers to data in other files.

    Parameters
    ----------
    graph : bytes
        Content of a ``.onnx`` file.

    Returns
    -------
    bool

    Raises
    ------
    ValueError
        If it is not a protocol buffer.
    """
    return _search(memoryview(graph), "model", 0)


def _search(message: memoryview, kind: str, depth: int) -> bool:
    if depth > _MOST_NESTED:
        raise ValueError("nested too deeply")
    for field, value in _fields(message):
        if kind == "tensor":
            found = field == _EXTERNAL_DATA or (field == _DATA_LOCATION and value != 0)
        else:
            inner = _INNER[kind].get(field, "")
            found = bool(inner and not isinstance(value, int) and _search(value, inner, depth + 1))
        if found:
            return True
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a message."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        field, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield field, value
            continue
        if kind == _BYTES:
            size, at = _varint(message, at)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {kind}")
        if at + size > len(message):
            raise ValueError("cut short")
        yield field, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ValueError("cut short")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number of more than 64 bits")
