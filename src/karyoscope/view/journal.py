"""Corrections beside a result: one line each, added at the end and never changed.

``<stem>.edits.jsonl`` is a text file of JSON objects. A line is written in one call, under a lock,
and synchronised with the disk before the page receives an answer. A line that a crash cut short is
passed over when the file is read, and closed when the next one is written. The result itself stays
as it was; remove the journal and every correction is gone.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import cannot_write, flush_to_disk

SUFFIX = ".edits.jsonl"


@dataclass(frozen=True)
class Entry:
    """One correction.

    Attributes
    ----------
    number : int
        1 for the first, then counted up.
    kind : str
        What a person did: ``class``, ``delete``, ``add``, ``split``, ``merge`` or ``undo``.
    remove : sequence of int
        Nuclei that are no more.
    classes : mapping of int to int
        New class by nucleus.
    add : sequence of dict
        New nuclei: ``id``, ``class`` and ``outline`` in pixels of level 0.
    undo : int
        Number of the correction that is taken back; 0 for none.
    time : str
        UTC, ISO 8601.
    """

    number: int
    kind: str
    remove: Sequence[int] = ()
    classes: Mapping[int, int] = field(default_factory=dict)
    add: Sequence[dict[str, Any]] = ()
    undo: int = 0
    time: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain data; what is empty is left out."""
        data = {"number": self.number, "kind": self.kind, "time": self.time}
        data |= {"classes": [[k, v] for k, v in self.classes.items()]} if self.classes else {}
        data |= {"remove": list(self.remove)} if self.remove else {}
        data |= {"add": list(self.add)} if self.add else {}
        return data | ({"undo": self.undo} if self.undo else {})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Entry:
        """Build from plain data; the inverse of :meth:`to_dict`."""
        return cls(
            int(data["number"]),
            str(data["kind"]),
            tuple(int(i) for i in data.get("remove", ())),
            {int(k): int(v) for k, v in data.get("classes", ())},
            tuple(
                {
                    "id": int(one["id"]),
                    "class": int(one["class"]),
                    "outline": [[float(x), float(y)] for x, y in one["outline"]],
                }
                for one in data.get("add", ())
            ),
            int(data.get("undo", 0)),
            str(data.get("time", "")),
        )


class Journal:
    """The corrections of one result.

    Parameters
    ----------
    path : path
        The file, which is made with the first correction.

    Attributes
    ----------
    path : Path
    damaged : int
        Lines that could not be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.damaged = 0
        self._lock = threading.RLock()
        self._read_to = 0
        self._entries: list[Entry] = []

    def read(self) -> list[Entry]:
        """All corrections, in the order in which they were made."""
        with self._lock:
            try:
                size = self.path.stat().st_size
            except FileNotFoundError:
                size = 0
            if size < self._read_to:
                self._read_to, self._entries, self.damaged = 0, [], 0
            if size > self._read_to:
                with self.path.open("rb") as file:
                    file.seek(self._read_to)
                    text = file.read()
                whole = text.rfind(b"\n") + 1
                self._take(text[:whole])
                self._read_to += whole
            return list(self._entries)

    def _take(self, text: bytes) -> None:
        for line in filter(None, text.split(b"\n")):
            try:
                self._entries.append(Entry.from_dict(json.loads(line)))
            except (ValueError, KeyError, TypeError):
                self.damaged += 1

    def append(self, make: Any) -> Entry:
        """Add a correction.

        Parameters
        ----------
        make : callable
            Given the corrections so far, under the lock, returns the new :class:`Entry` without
            its number and time, or raises an error, and then nothing is written.

        Returns
        -------
        Entry
            The correction as it was written.

        Raises
        ------
        KaryoscopeError
            If the file cannot be written.
        """
        with self._lock:
            if self.path.is_symlink():
                # Whoever made the folder may have laid it to a file of another kind.
                raise KaryoscopeError(f"{self.path.name} is a link; nothing is written through it")
            try:
                with self.path.open("ab+") as file, _locked(file):
                    entries = self.read()
                    made: Entry = make(entries)
                    number = 1 + max([0, *(entry.number for entry in entries)])
                    now = datetime.now(UTC).isoformat(timespec="seconds")
                    data = made.to_dict() | {"number": number, "time": now}
                    line = json.dumps(data, separators=(",", ":")).encode() + b"\n"
                    if _cut_short(file):
                        line = b"\n" + line
                    file.write(line)
                    flush_to_disk(file)
            except OSError as error:
                raise KaryoscopeError(cannot_write(self.path, error)) from error
            return self.read()[-1]


def _cut_short(file: IO[bytes]) -> bool:
    end = file.seek(0, os.SEEK_END)
    if end == 0:
        return False
    file.seek(end - 1)
    last = file.read(1)
    file.seek(0, os.SEEK_END)
    return last != b"\n"


@contextmanager
def _locked(file: IO[bytes]) -> Iterator[None]:
    """Keep other processes from writing to the file at the same time."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]
        try:
            yield
        finally:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined]
        return
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
