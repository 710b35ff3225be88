"""Loops that were compiled when a wheel was built, so that the first run need not compile them.

An archive holds what numba would write into its cache, compiled for any CPU of a common kind. It
is of one version of Python, of numba and of the sources; under all others, and on CPUs that lack
the instructions, loops are compiled as if there were no archive. The results are the same.
``scripts/compile_kernels.py`` makes it.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import platform
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numba
from llvmlite import binding
from numba.core.caching import FunctionCache, NullCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from karyoscope.core.files import writing

#: Folder of the package, below which are the sources that an archive is compared with.
PACKAGE = Path(__file__).parents[1]
#: Where the archives of a wheel are.
FOLDER = PACKAGE / "core" / "compiled"
_SOURCES = "sources.json"
_DAMAGED = (zlib.error, zipfile.BadZipFile)

#: For each kind of machine: name of the CPU that code is compiled for, and what it must have.
CPUS: dict[str, tuple[str, tuple[str, ...]]] = {
    "x86_64": ("x86-64-v3", ("avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe")),
    "aarch64": ("generic", ("neon",)),
}

_collected: dict[str, bytes] | None = None


def machine() -> str:
    """Return the kind of this machine, as :data:`CPUS` names it."""
    name = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(name, name)


def fits() -> bool:
    """Return whether code for the kind of CPU in :data:`CPUS` runs here, and may be used."""
    config: Any = numba.config
    chosen_by_user = config.CPU_NAME is not None or config.CPU_FEATURES is not None
    chosen_by_user |= not config.ENABLE_AVX
    if chosen_by_user or machine() not in CPUS:
        return False
    try:
        has = binding.get_host_cpu_features()
    except RuntimeError:  # LLVM does not know this CPU
        return False
    return all(has.get(feature) for feature in CPUS[machine()][1])


def archive_name() -> str:
    """Return the name of the archive for this Python, numba and kind of machine."""
    parts = sys.implementation.cache_tag, f"numba{numba.__version__}", sys.platform, machine()
    return f"{'-'.join(map(str, parts))}.zip"


@contextmanager
def collecting() -> Iterator[dict[str, bytes]]:
    """Collect what is compiled meanwhile, for :func:`write_archive`.

    Yields
    ------
    dict of str to bytes
    """
    global _collected
    _collected = {}
    try:
        yield _collected
    finally:
        _collected = None


def write_archive(
    folder: Path, compiled: dict[str, bytes], sources: Iterable[Path], root: Path = PACKAGE
) -> Path:
    """Write an archive of compiled loops.

    Parameters
    ----------
    folder : Path
        Folder of the archive; made where it is missing.
    compiled : dict of str to bytes
        From :func:`collecting`.
    sources : iterable of Path
        Files below ``root``. With others in their place the archive is not used.
    root : Path
        Folder of the package.

    Returns
    -------
    Path
        The archive.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / archive_name()
    digests = {p.relative_to(root).as_posix(): _digest(p) for p in sorted(sources)}
    with writing(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in [(_SOURCES, json.dumps(digests).encode()), *sorted(compiled.items())]:
            # Without the time, so that the same content is the same file.
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return path


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def open_archive(folder: Path, root: Path = PACKAGE) -> dict[str, bytes]:
    """Content of the archive for this machine; empty where there is none that fits.

    Parameters
    ----------
    folder : Path
        Folder of the archives.
    root : Path
        Folder of the package, whose sources are compared.

    Returns
    -------
    dict of str to bytes
    """
    try:
        path = folder / archive_name()
        if not (path.is_file() and fits()):
            return {}
        with zipfile.ZipFile(path) as archive:
            content = {name: archive.read(name) for name in archive.namelist()}
        digests = json.loads(content.pop(_SOURCES))
        same = all(_digest(root / name) == digest for name, digest in digests.items())
    # What zipfile raises for damaged bytes; RuntimeError, if they ask for a password.
    except (OSError, ValueError, LookupError, EOFError, RuntimeError, *_DAMAGED):
        return {}
    return content if same else {}


def key_of(function: Any, signature: Any) -> str:
    """Return the name of a function in an archive, compiled for some types."""
    text = f"{function.__module__}.{function.__qualname__}{signature}"
    return hashlib.sha256(text.encode()).hexdigest()


def _load(function: Any, signature: Any, target: Any) -> Any:
    data = open_archive(FOLDER).get(key_of(function, signature))
    if data is None:
        return None
    target.refresh()
    rebuild: Any = CompileResult._rebuild
    # Part of the installed package, as its modules are.
    return rebuild(target, *pickle.loads(data))


class KernelCache(FunctionCache):
    """numba's cache of a function, and beyond it the compiled loops of the archive.

    Parameters
    ----------
    function : callable
    """

    def __init__(self, function: Any) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the function compiled for some types; None where it has to be compiled."""
        found = super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        return _load(self._py_func, sig, target_context) if found is None else found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled."""
        # A loop that refers to an address of this process cannot be kept.
        if _collected is not None and self._impl.check_cachable(data):
            pickled: Any = dumps
            _collected[key_of(self._py_func, sig)] = pickled(self._impl.reduce(data))
        super().save_overload(sig, data)  # type: ignore[no-untyped-call]


class ArchiveOnlyCache(NullCache):
    """The compiled loops of the archive, where no cache can be written.

    Parameters
    ----------
    function : callable
    """

    def __init__(self, function: Any) -> None:
        self._function = function

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the function compiled for some types; None where it has to be compiled."""
        return _load(self._function, sig, target_context)
