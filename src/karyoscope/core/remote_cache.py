"""Files from elsewhere, kept on this machine while there is room.

A slide is read in thousands of small pieces, in any order, which its readers take from a file on
this machine. So a remote file is fetched whole, and stays for the next run until others need the
room.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from karyoscope.core.addresses import file_system, in_one_line, name_in
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import partial_name, put_in_place, remove, write_text

FOLDER, ROOM_GB = "KARYOSCOPE_CACHE", "KARYOSCOPE_REMOTE_GB"
"""Variables of the environment: folder of all that is kept, and room for remote files in GB."""

_ROOM_GB = 50.0
_NOTE = "remote.json"
#: Formats of several files, of which an address names one.
_SEVERAL = (".mrxs", ".vms", ".vmu", ".zarr", ".dcm")
in_use: set[Path] = set()
_lock = threading.Lock()


def cache_folder(name: str) -> Path:
    """Folder of one kind of what is kept: in ``$KARYOSCOPE_CACHE`` or the user's cache."""
    given = os.environ.get(FOLDER)
    home = os.environ.get("XDG_CACHE_HOME")
    usual = (Path(home) if home else Path.home() / ".cache") / "karyoscope"
    return (Path(given) if given else usual) / name


def place_of(address: str) -> Path:
    """Where the file of an address is, or will be, on this machine.

    Raises
    ------
    KaryoscopeError
        If the address names no file, or one of a format that is several files.
    """
    name = name_in(address)
    if not name:
        raise KaryoscopeError(f"{address} names no file; a folder ends in /")
    if name.lower().endswith(_SEVERAL):
        raise KaryoscopeError(
            f"{address}: a slide of several files cannot be fetched; copy it to this machine"
        )
    digest = hashlib.sha256(address.encode()).hexdigest()[:24]
    return cache_folder("remote") / digest / name


def fetch(address: str) -> Path:
    """Fetch a file, unless it is here and has not changed.

    Parameters
    ----------
    address : str

    Returns
    -------
    Path
        The file, which stays until this process ends.

    Raises
    ------
    KaryoscopeError
        If it cannot be read, or is larger than the room for remote files.
    """
    place = place_of(address)
    system, path = file_system(address)
    with in_one_line(address, "read"):
        about = system.info(path)
        if about.get("type") == "directory":
            raise KaryoscopeError(f"{address} is a folder; a folder ends in /")
        version = _version(about)
        with _lock:
            in_use.add(place.parent)
        if _kept(place) == version:
            os.utime(place.parent / _NOTE)
            return place
        size = about.get("size") or 0
        room = _room(address, size)
        _make_room(room - size)
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = partial_name(place)
        try:
            _copy(system, path, partial, room, address)
            # The same file is the same input in the next run, whenever it was fetched.
            os.utime(partial, (1e9, 1e9))
            put_in_place(partial, place)
        finally:
            with suppress(OSError):
                remove(partial)
        write_text(place.parent / _NOTE, json.dumps({"address": address, "version": version}))
    return place


def _copy(system: Any, path: str, target: Path, room: float, address: str) -> None:
    from fsspec.callbacks import Callback

    class Guard(Callback):  # type: ignore[misc]
        """Ends a download that is larger than the server stated."""

        def relative_update(self, inc: int = 1) -> None:
            super().relative_update(inc)
            if self.value > room:
                raise KaryoscopeError(_too_large(address, self.value))

    system.get_file(path, str(target), callback=Guard())


def _version(about: dict[str, Any]) -> str:
    """What tells a file from another under the same address."""
    names = ("size", "ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "created")
    return json.dumps([str(about.get(name)) for name in names])


def _kept(place: Path) -> str | None:
    try:
        note = json.loads((place.parent / _NOTE).read_text(encoding="utf-8"))
        return str(note["version"]) if place.is_file() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _room(address: str, size: float) -> float:
    """Bytes that remote files may take."""
    given = os.environ.get(ROOM_GB)
    try:
        room = (_ROOM_GB if given is None else float(given)) * 1e9
    except ValueError as error:
        raise KaryoscopeError(f"{ROOM_GB} is a number of gigabytes, not {given!r}") from error
    if size > room:
        raise KaryoscopeError(_too_large(address, size))
    return room


def _too_large(address: str, size: float) -> str:
    return (
        f"{address} has more than {size / 1e9:.3g} GB, which the room for remote files does not"
        f" hold; raise {ROOM_GB}"
    )


def _make_room(room: float) -> None:
    """Remove what was used longest ago until the rest takes no more than some bytes."""
    folder = cache_folder("remote")
    kept: list[tuple[float, int, Path]] = []
    for note in folder.glob(f"*/{_NOTE}"):
        with suppress(OSError):
            size = sum(p.stat().st_size for p in note.parent.iterdir())
            kept.append((note.stat().st_mtime, size, note.parent))
    total = sum(size for _, size, _ in kept)
    for used, size, inner in sorted(kept):
        # What another process fetched a moment ago is most likely what it works on.
        if total <= room or inner in in_use or time.time() - used < 60:
            continue
        remove(inner)
        total -= size


def release(place: Path) -> None:
    """Say that a file is not needed any more; it stays while there is room."""
    with _lock:
        in_use.discard(place.parent)
