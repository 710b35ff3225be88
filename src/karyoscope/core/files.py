"""Files and folders that appear whole or not at all, whatever ends the program.

What is written has another name until it is complete, is synchronised with the disk, and is then
renamed. So whatever lies under a final name is complete, also after a loss of power, and what was
there before stays until then.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.process import machine, runs

_ABANDONED_AFTER_S = 86400
_OWNER = re.compile(r"\.([0-9a-f]{8})-(\d+)-[0-9a-f]{8}\.partial$")


@contextmanager
def writing(path: str | Path) -> Iterator[Path]:
    """Write one file, or one folder, that appears under its name when the block ends.

    Parameters
    ----------
    path : path
        Final name. What is there is replaced at the end.

    Yields
    ------
    Path
        A name in the same folder that nobody else uses, to be written to: as a file, or as a
        folder that the caller makes. It is removed if the block raises.

    Raises
    ------
    KaryoscopeError
        If the system cannot write; the message names the final path and what to do.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with writing(Path(folder, "a.txt")) as partial:
    ...         _ = partial.write_text("whole")
    ...     Path(folder, "a.txt").read_text()
    'whole'
    """
    path = Path(path)
    partial = partial_name(path)
    try:
        yield partial
        put_in_place(partial, path)
    except OSError as error:
        raise KaryoscopeError(cannot_write(path, error)) from error
    finally:
        with suppress(OSError):
            remove(partial)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file whole; see :func:`writing`."""
    with writing(path) as partial:
        partial.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    r"""Write a UTF-8 file whole, its line ends as they are; see :func:`writing`.

    Halves of characters, which the names of files may hold that are not UTF-8, are written out as
    ``\udce4``: valid in JSON too.
    """
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_folder(path: str | Path, files: Mapping[str, bytes]) -> Path:
    """Write a folder of files whole; see :func:`writing`.

    Parameters
    ----------
    path : path
        The folder, replaced as a whole; the folders above it are made.
    files : mapping of str to bytes
        Content by name; a name may have folders in it.

    Returns
    -------
    Path
        The folder.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KaryoscopeError(cannot_write(path, error)) from error
    remove_leftovers(path)
    with writing(path) as partial:
        partial.mkdir()
        for name, data in files.items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_bytes(data)
    return path


def partial_name(path: Path) -> Path:
    """Name of an output until it is complete: hidden, in the same folder, of this process alone.

    It says which process of which machine writes, so that :func:`remove_leftovers` can tell what
    was left behind. Each call gives another.
    """
    owner = f"{machine()}-{os.getpid()}-{secrets.token_hex(4)}"
    return path.with_name(f".{path.name}.{owner}.partial")


def partials(path: Path) -> list[Path]:
    """Incomplete outputs of a final name, written by any process."""
    start = f".{path.name}."
    try:
        names = [name for name in os.listdir(path.parent) if name.startswith(start)]
    except OSError:
        return []
    # What follows the name is nothing but the owner, or ".old" or ".scratch" before it.
    rest = re.compile(r"(\.old|\.scratch)?" + _OWNER.pattern)
    return [path.with_name(n) for n in names if rest.fullmatch(n[len(start) - 1 :])]


def remove_leftovers(path: Path) -> None:
    """Remove what processes that no longer run left incomplete of an output.

    A folder that such a process had moved away, to put another in its place, is put back.
    """
    for partial in partials(path):
        if not _is_abandoned(partial):
            continue
        with suppress(OSError):
            if partial.name.startswith(f".{path.name}.old.") and not path.exists():
                partial.rename(path)
            else:
                remove(partial)


def _is_abandoned(partial: Path) -> bool:
    found = _OWNER.search(partial.name)
    if found is not None and found[1] == machine():
        return not runs(int(found[2]))
    try:
        return time.time() - partial.lstat().st_mtime > _ABANDONED_AFTER_S
    except OSError:
        return False


def put_in_place(source: Path, target: Path) -> None:
    """Synchronise a complete file or folder with the disk, and give it its final name.

    Parameters
    ----------
    source : Path
        The file to rename, in the folder of the target.
    target : Path
        What is there is replaced.
    """
    for file in (p for p in source.rglob("*") if p.is_file()) if source.is_dir() else [source]:
        _synchronise(file)
    if target.is_dir() and not target.is_symlink():
        # A folder cannot be renamed over a folder that holds something.
        old = partial_name(target.with_name(target.name + ".old"))
        target.rename(old)
        source.rename(target)
        remove(old)
    else:
        source.replace(target)


def flush_to_disk(file: IO[bytes]) -> None:
    """Write out what a file that is open for writing holds in memory, as far as onto the disk."""
    file.flush()
    os.fsync(file.fileno())


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> str:
    """One line that says why a file or folder cannot be written, and what to do."""
    reason = error.strerror or " ".join(str(error).split())
    if error.errno == errno.ENAMETOOLONG:
        return f"cannot write {path}: {reason}; give the slide a shorter name"
    remedy = "free space or " if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return f"cannot write {path}: {reason}; {remedy}choose another folder"


def read_bytes(path: str | Path, largest: int) -> bytes:
    """Read a small file that a user gave: a regular file of bounded size.

    Parameters
    ----------
    path : path
    largest : int
        Most bytes.

    Raises
    ------
    KaryoscopeError
        If it is a pipe or a device, which might never end, has more bytes, or cannot be read.
    """
    path = Path(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise KaryoscopeError(f"{path} cannot be read: it is not a regular file")
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise KaryoscopeError(f"{path} cannot be read: {reason}") from error
    if len(data) > largest:
        raise KaryoscopeError(f"{path} is too large: more than {largest:,} bytes")
    return data


def read_text(path: str | Path, largest: int = 1 << 24) -> str:
    """Read a small text file that a user gave, in UTF-8; see :func:`read_bytes`.

    Raises
    ------
    KaryoscopeError
        If it cannot be read, or is not text in UTF-8.
    """
    try:
        return read_bytes(path, largest).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise KaryoscopeError(f"{path} is not a readable text file") from error


def read_json(path: str | Path, largest: int = 1 << 28) -> Any:
    """Read a JSON file that a user gave; see :func:`read_bytes`.

    Raises
    ------
    KaryoscopeError
        If it cannot be read or is not JSON.
    """
    try:
        return json.loads(read_bytes(path, largest))
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise KaryoscopeError(f"{path} is not valid JSON: {reason}") from error


def digest_of(path: Path) -> tuple[int, str]:
    """Bytes and SHA-256 of a file, or of all files in a folder with their names.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    if not path.is_dir():
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()
    size, whole = 0, hashlib.sha256()
    for inner in sorted(p for p in path.rglob("*") if p.is_file()):
        length, digest = digest_of(inner)
        size += length
        whole.update(f"{inner.relative_to(path).as_posix()} {digest}\n".encode())
    return size, whole.hexdigest()


def _synchronise(path: Path) -> None:
    # Open for writing, as some systems ask for it.
    with path.open("rb+") as file:
        flush_to_disk(file)
