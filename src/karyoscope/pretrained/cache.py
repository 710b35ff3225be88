"""Where fetched weights lie, and how a name in a recipe becomes a file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.pretrained.sources import SOURCES

#: Names the folder of the cache in place of the user's own.
VARIABLE = "KARYOSCOPE_CACHE"


def cache_folder() -> Path:
    """Folder of fetched weights: ``$KARYOSCOPE_CACHE``, or the user's cache folder."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given) / "weights"
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "karyoscope" / "weights"


def find_weights(given: str | Path) -> Path:
    """Return the file of encoder weights that a recipe names.

    Parameters
    ----------
    given : str or path
        A name of :data:`~karyoscope.pretrained.sources.SOURCES`, or a ``.safetensors`` file.

    Raises
    ------
    KaryoscopeError
        If the file does not exist, or the name was not fetched yet.
    """
    if str(given) not in SOURCES:
        path = Path(given)
        if not path.is_file():
            raise KaryoscopeError(
                f"encoder weights {path} do not exist; there are the names {', '.join(SOURCES)}, or"
                " a .safetensors file"
            )
        return path
    path = cache_folder() / f"{given}.safetensors"
    if not path.is_file():
        raise KaryoscopeError(
            f"the weights {given} are not on this machine: run `karyoscope weights fetch {given}`"
        )
    return path


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of weights (names, types, shapes and values), independent of the file format."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
