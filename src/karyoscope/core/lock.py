"""One writer at a time: a lock file beside the output, also on storage that machines share.

The file says who holds the lock and is touched every few seconds. A lock is stale where its
process no longer runs, which its own machine can tell at once, or where it has not been touched
for :data:`STALE_AFTER_S` seconds by the clock of the storage, which is all that another machine
can tell. It is made with a hard link, or where there are none by exclusive creation; both are
atomic on NFS too.
"""

from __future__ import annotations

import errno
import glob
import json
import os
import re
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import cannot_write
from karyoscope.core.process import machine, runs, started

HEARTBEAT_S = 15.0
"""Seconds between two touches of a lock that is held."""

STALE_AFTER_S = 180.0
"""Seconds without a touch after which a lock of another machine is taken to be left behind."""


class LockedError(KaryoscopeError):
    """Another run writes the same output."""


class Lock:
    """A lock that one run at a time can hold.

    Parameters
    ----------
    path : Path
        The lock file; its folder is made where it is missing.
    output : str
        Name of the locked output, for messages.
    """

    def __init__(self, path: Path, output: str) -> None:
        self.path, self._output = path, output
        self._token = secrets.token_hex(8)
        self._ended = threading.Event()

    def acquire(self) -> None:
        """Take the lock.

        Raises
        ------
        LockedError
            If another run holds it; the message says which.
        KaryoscopeError
            If the folder cannot be written.
        """
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            while not self._make():
                self._clear_stale()
            self._sweep()
        except OSError as error:
            what = self.path if error.errno == errno.ENAMETOOLONG else folder
            raise KaryoscopeError(cannot_write(what, error)) from error
        threading.Thread(target=self._beat, name="lock", daemon=True).start()

    def check(self) -> None:
        """Make sure that the lock is still held, before what was written gets its final name.

        Raises
        ------
        LockedError
            If another run has taken it over, as it does where this one was suspended for long.
        """
        if _read(self.path).get("token") != self._token:
            raise LockedError(
                f"{self._output}: another run has taken the output over while this one stood still"
            )

    def release(self) -> None:
        """Remove the lock, if it is still this one."""
        self._ended.set()
        with suppress(OSError):
            if _read(self.path).get("token") == self._token:
                self.path.unlink()

    def _make(self) -> bool:
        """Make the lock file with its content; False where there is one."""
        content = {
            "host": socket.gethostname(),
            "machine": machine(),
            "pid": os.getpid(),
            "started": started(os.getpid()),
            "token": self._token,
        }
        own = self._own()
        try:
            own.write_text(json.dumps(content), encoding="utf-8")
            try:
                os.link(own, self.path)
            except FileExistsError:
                return False
            except OSError:  # a file system without links
                try:
                    with self.path.open("x", encoding="utf-8") as file:
                        json.dump(content, file)
                except FileExistsError:
                    return False
        finally:
            with suppress(OSError):
                own.unlink(missing_ok=True)
        return True

    def _clear_stale(self) -> None:
        """Take a stale lock away; raise where it is not stale."""
        found = _read(self.path)
        if not self._is_stale(found, self.path):
            where = f"process {found.get('pid', '?')} on {found.get('host', 'another machine')}"
            raise LockedError(
                f"{self._output}: another run ({where}) is writing these results; wait for it, or"
                f" choose another folder (lock: {self.path})"
            )
        # Two that find the same stale lock must not take away the one that the other then makes.
        aside = self.path.with_name(f"{self.path.name}.{self._token}.stale")
        with suppress(FileNotFoundError):
            self.path.rename(aside)
            if _read(aside) != found:
                with suppress(OSError):
                    os.link(aside, self.path)
            aside.unlink(missing_ok=True)

    def _own(self) -> Path:
        """A file beside the lock; its name says whose it is, for it may be killed while empty."""
        return self.path.with_name(f"{self.path.name}.{machine()}-{os.getpid()}-{self._token}")

    def _sweep(self) -> None:
        """Remove what a run that was killed while it took or cleared the lock left beside it."""
        for path in self.path.parent.glob(f"{glob.escape(self.path.name)}.*"):
            with suppress(OSError):
                if self._is_stale(_read(path) or _of_name(path), path):
                    path.unlink(missing_ok=True)

    def _is_stale(self, found: dict[str, Any], path: Path) -> bool:
        """Whether the run that wrote ``path``, whose content is ``found``, is gone."""
        pid = found.get("pid")
        if found.get("machine") == machine() and isinstance(pid, int):
            return not runs(pid) or started(pid) != found.get("started", started(pid))
        return self._seconds_untouched(path) > STALE_AFTER_S

    def _seconds_untouched(self, path: Path) -> float:
        """Age of a file by the clock of the storage, which may differ from this machine's."""
        probe = self._own()
        try:
            probe.touch()
            return probe.stat().st_mtime - path.stat().st_mtime
        except FileNotFoundError:  # released meanwhile
            return 0.0
        finally:
            with suppress(OSError):
                probe.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_S):
            if _read(self.path).get("token") != self._token:
                return
            with suppress(OSError):
                os.utime(self.path)


def _of_name(path: Path) -> dict[str, Any]:
    """Process that the name of a file beside a lock tells, if it is one of this machine."""
    found = re.search(r"\.([0-9a-f]{8})-(\d+)-[0-9a-f]+$", path.name)
    if found is None or found[1] != machine():
        return {}
    return {"machine": machine(), "pid": int(found[2])}


@contextmanager
def locked(path: Path, output: str) -> Iterator[Lock]:
    """Hold a lock for a ``with`` block; see :class:`Lock`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with locked(Path(folder, ".lock"), "a.csv"):
    ...         Path(folder, ".lock").exists()
    True
    """
    lock = Lock(path, output)
    try:
        lock.acquire()
        yield lock
    finally:
        lock.release()


def locked_folder(folder: Path) -> AbstractContextManager[Lock]:
    """Hold the lock of a folder that a run fills, for a ``with`` block; it lies in the folder.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    """
    return locked(folder / ".lock", str(folder))


def locked_output(path: Path) -> AbstractContextManager[Lock]:
    """Hold the lock of an output that appears as a whole; it lies beside it.

    Parameters
    ----------
    path : Path
        A file, or a folder that is replaced as a whole.
    """
    place = Path(os.path.abspath(path))
    return locked(place.with_name(f".{place.name}.lock"), str(path))


def _read(path: Path) -> dict[str, Any]:
    """Content of a lock file; empty where there is none or it is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
