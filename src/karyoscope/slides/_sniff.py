"""File types recognised from their first bytes, for the error on a file that is not a slide."""

from __future__ import annotations

from pathlib import Path

from karyoscope.core.errors import KaryoscopeError

HEAD_BYTES = 512

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def first_bytes(path: Path) -> bytes:
    """First bytes of a file; empty for a folder.

    Raises
    ------
    KaryoscopeError
        If there is no such path, or it cannot be read, or it is empty or a pipe or a device.
    """
    if path.is_dir():
        return b""
    if path.is_symlink() and not path.exists():
        raise KaryoscopeError(f"{path} is a link to {path.readlink()}, which is not there")
    if not path.exists():
        raise KaryoscopeError(f"{path} does not exist")
    if not path.is_file():
        raise KaryoscopeError(f"{path} is a pipe or a device, not a file; save the image first")
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise KaryoscopeError(f"{path} cannot be read: {error.strerror or error}") from error
    if not head:
        raise KaryoscopeError(f"{path} is empty")
    return head


def reason(error: BaseException) -> str:
    """First line of another library's message, short enough to stand in ours."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line if len(line) <= 160 else line[:157] + "..."


def not_a_slide(path: Path, head: bytes) -> KaryoscopeError:
    """Return the error for a path that no reader recognises, with its probable file type."""
    if path.is_dir():
        return KaryoscopeError(f"{path} is a folder, not a slide; name the files in it")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        kind = "an HTML page (a failed download?)"
    elif start.startswith(b"version https://git-lfs"):
        kind = "a Git LFS pointer; fetch the file itself"
    elif head.startswith(b"PK\x03\x04"):
        kind = "a ZIP archive; unpack it first"
    elif head.startswith(b"\x1f\x8b"):
        kind = "a gzip file; unpack it first"
    elif head.startswith(b"%PDF"):
        kind = "a PDF document"
    elif head.startswith((b"GIF8", b"\0\0\0\x0cjP")):
        kind = "an image of a format that is not read here; save it as PNG or TIFF"
    elif _is_text(head):
        kind = "a text file"
    else:
        kind = "of no known image format"
    return KaryoscopeError(f"{path} is not a slide: it is {kind}")


def _is_text(head: bytes) -> bool:
    printable = sum(byte >= 32 or byte in b"\t\r\n\f" for byte in head)
    return b"\0" not in head and printable == len(head)
