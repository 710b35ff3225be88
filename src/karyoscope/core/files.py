"""Files and folders that appear whole or not at all, whatever ends the program.

What is written has another name until it is complete, is synchronised with the disk, and is then
renamed. So whatever lies under a final name is complete, also after a loss of power, and what was
there before stays until then.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from karyoscope.core.errors import KaryoscopeError


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
    # Of another process, or thread, that writes the same file there may be one too.
    partial = partial_name(path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}"))
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
    """Write a UTF-8 file whole, its line ends as they are; see :func:`writing`."""
    write_bytes(path, text.encode())


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
    with writing(path) as partial:
        partial.mkdir()
        for name, data in files.items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_bytes(data)
    return path


def partial_name(path: Path) -> Path:
    """Name that an output has until it is complete: hidden, and in the same folder.

    It does not vary, so that what a killed run left behind is replaced by the next.
    """
    return path.with_name(f".{path.name}.partial")


def put_in_place(source: Path, target: Path) -> None:
    """Synchronise a complete file or folder with the disk, and give it its final name.

    Parameters
    ----------
    source : Path
        In the same folder as the target.
    target : Path
        What is there is replaced.
    """
    for file in (p for p in source.rglob("*") if p.is_file()) if source.is_dir() else [source]:
        _synchronise(file)
    if target.is_dir() and not target.is_symlink():
        # A folder cannot be renamed over a folder that holds something.
        old = partial_name(target.with_name(target.name + ".old"))
        remove(old)
        target.rename(old)
        source.rename(target)
        remove(old)
    else:
        source.replace(target)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> str:
    """One line that says why a file or folder cannot be written, and what to do."""
    reason = error.strerror or " ".join(str(error).split())
    remedy = "free space or " if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return f"cannot write {path}: {reason}; {remedy}choose another folder with --out"


def _synchronise(path: Path) -> None:
    # Open for writing, as some systems ask for it.
    with path.open("rb+") as file:
        os.fsync(file.fileno())
