"""Addresses of what lies elsewhere (``https://``, ``s3://``), read and written through fsspec.

Only here fsspec is imported; its errors, and those of the libraries under it, become one line.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.optional import require


def is_address(given: str | Path) -> bool:
    """Whether a value is the address of a file or folder on remote storage.

    Examples
    --------
    >>> [is_address(text) for text in ("s3://bucket/a.svs", "C:/slides/a.svs", "a.svs")]
    [True, False, False]
    """
    scheme, colon, _ = str(given).partition("://")
    # A single letter is a drive of Windows.
    return bool(colon) and len(scheme) > 1 and scheme.replace("+", "").isalnum()


def name_in(address: str) -> str:
    """Last part of an address, without a query: the name of the file."""
    return posixpath.basename(urlsplit(address).path.rstrip("/"))


def above(address: str) -> str:
    """Address of the folder that a file lies in."""
    return address.partition("?")[0].rstrip("/").rpartition("/")[0]


@contextmanager
def in_one_line(address: str, doing: str) -> Iterator[None]:
    """Turn every error of remote storage into a :class:`KaryoscopeError` of one line.

    Parameters
    ----------
    address : str
    doing : str
        What failed, such as ``"read"``.

    Raises
    ------
    KaryoscopeError
        Raised in place of any other error.
    """
    try:
        yield
    except KaryoscopeError:
        raise
    except ImportError as error:
        line = " ".join(str(error).split())
        raise KaryoscopeError(
            f"{address} cannot be {doing}: {line}: run `pip install 'karyoscope[remote]'`"
        ) from error
    except Exception as error:  # each library under fsspec has errors of its own
        reason: BaseException = error
        if isinstance(error, FileNotFoundError):
            # Over HTTP it stands for all that can go wrong, also for a server that is not there.
            reason = error.__cause__ or error
            if isinstance(reason, FileNotFoundError) or getattr(reason, "status", 0) == 404:
                raise KaryoscopeError(f"{address} does not exist") from error
        line = " ".join(str(reason).split())[:200] or type(reason).__name__
        raise KaryoscopeError(f"{address} cannot be {doing}: {line}") from error


def file_system(address: str) -> tuple[Any, str]:
    """The fsspec file system of an address, and the path in it.

    Raises
    ------
    KaryoscopeError
        If fsspec, or what it needs for the address, is not installed.
    """
    require("remote", "fsspec", purpose=address)
    with in_one_line(address, "read"):
        import fsspec

        system, path = fsspec.core.url_to_fs(address)
        return system, path


def files_at(address: str) -> list[str]:
    """Addresses of the files that an address names: itself, those of a folder, or of a pattern.

    Parameters
    ----------
    address : str
        A pattern holds ``*``; a folder ends in ``/``.

    Raises
    ------
    KaryoscopeError
        If it cannot be listed.
    """
    plain = address.partition("?")[0]
    if "*" not in plain and not address.endswith("/"):
        return [address]
    system, path = file_system(address)
    with in_one_line(address, "listed"):
        found = system.glob(path) if "*" in plain else system.ls(path, detail=False)
        return sorted(system.unstrip_protocol(one) for one in found if not one.endswith("/"))
