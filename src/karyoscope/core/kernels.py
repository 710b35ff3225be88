"""Compiled loops: one decorator, whose cache is where it can be written."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar, cast, overload

import numba
from numba.core import event
from numba.core.registry import CPUDispatcher
from numba.np import linalg

from karyoscope.core.precompiled import ArchiveOnlyCache, KernelCache

# No wrapper for callers in C: there are none, and it would be compiled too. Nor is a divisor of
# zero checked, which no loop has: each check is code to compile. Loops read and write only the
# arrays that they are given, so other threads may run meanwhile.
_OPTIONS: dict[str, Any] = {"no_cfunc_wrapper": True, "error_model": "numpy", "nogil": True}


def _import_blas_when_used() -> None:
    """Let numba only look whether SciPy's BLAS is there until a loop multiplies matrices.

    When the first loop is loaded, numba imports ``scipy.linalg`` to learn that, which takes 16 MB
    and a quarter of a second. No loop of ours multiplies matrices; those of other packages can.
    """
    ensure: Callable[[], None] | None = getattr(linalg, "ensure_blas", None)
    if ensure is None:
        return

    def look_or_ensure() -> None:
        if hasattr(sys.modules.get("numba.np.arraymath"), "_HAVE_BLAS"):
            ensure()
        elif find_spec("scipy.linalg") is None:
            raise ImportError("SciPy has no part for linear algebra")

    setattr(linalg, "ensure_blas", look_or_ensure)  # noqa: B010


_import_blas_when_used()

not_kept: list[str] = []
"""Names of functions that are compiled anew in each process."""

Function = TypeVar("Function", bound=Callable[..., Any])


@overload
def njit(function: Function, /) -> Function: ...
@overload
def njit(**options: Any) -> Callable[[Function], Function]: ...
def njit(function: Any = None, /, **options: Any) -> Any:
    """Compile a function with numba, and keep the result on disk where that is possible.

    A wheel brings loops that are compiled already (:mod:`karyoscope.core.precompiled`). For others,
    numba writes its cache beside the source or into the home of the user. Where neither can be
    written (an installation of the system's, a container without a home), a folder of the user's
    in the temporary folder takes it, and where there is none either, nothing is kept: each
    process then compiles again, which takes seconds and changes no result.

    Parameters
    ----------
    function : callable
        Function to compile; without it the decorator with options is returned.
    **options
        Further options of :func:`numba.njit`. By default, ``nogil=True`` lets other threads of
        Python run while the function does.

    Returns
    -------
    callable
        The compiled function.
    """
    if function is None:
        return lambda inner: _compile(inner, options)
    return _compile(function, options)


def _compile(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    compiled = numba.njit(**(_OPTIONS | options))(function)
    if not isinstance(compiled, CPUDispatcher):
        return compiled  # numba is switched off
    cache = cache_of(function)
    if cache is None:
        not_kept.append(function.__name__)
    setattr(compiled, "_cache", cache or ArchiveOnlyCache(function))  # noqa: B010
    return compiled


def cache_of(function: Callable[..., Any]) -> KernelCache | None:
    """Return numba's cache of a function, where it can be written; None without such a place."""
    with suppress(RuntimeError):
        return KernelCache(function)
    folder = own_folder()
    if folder is None:
        return None
    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        return KernelCache(function)
    except RuntimeError:
        return None
    finally:
        config.CACHE_DIR = before


def keeps_compiled() -> bool:
    """Whether what one process compiles is there for the next one."""
    return not not_kept


def own_folder() -> Path | None:
    """A folder in the temporary folder that nobody else can write; None where there is none.

    What numba finds there it executes, so a folder that another user made is not used.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    try:
        folder = Path(tempfile.gettempdir()) / f"karyoscope-{user}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    if hasattr(os, "getuid") and (found.st_uid != user or found.st_mode & 0o022):
        return None
    return folder if folder.is_dir() and not folder.is_symlink() else None


def part(function: Function) -> Function:
    """Let compiled loops call a function, which is compiled as a part of each of them.

    Compiling a function by itself also makes what Python needs to call it, and a file of the
    cache; for a function that only loops call, that takes longer than its own code. Called from
    Python, it runs as Python.

    Parameters
    ----------
    function : callable
        What loops call.

    Returns
    -------
    callable
        The function, for loops and for Python.
    """
    options = _OPTIONS | {"nopython": True, "no_cpython_wrapper": True}
    compiled: Any = _Part(function, targetoptions=options)
    return cast(Function, compiled)


class _Part(CPUDispatcher):
    """Compiled for loops alone: called from Python, there would be nothing to run."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.py_func(*arguments, **named)


@contextmanager
def when_compiling(say: Callable[[], None]) -> Iterator[None]:
    """Call a function when a kernel is compiled, and not loaded from the cache.

    Parameters
    ----------
    say : callable
        Called once at most, in the thread that compiles.
    """
    with event.install_listener("numba:compile", _Once(say)):
        yield


class _Once(event.Listener):
    def __init__(self, say: Callable[[], None]) -> None:
        self._say: Callable[[], None] | None = say

    def on_start(self, event: object) -> None:
        say, self._say = self._say, None
        if say is not None:
            say()

    def on_end(self, event: object) -> None:
        """Nothing is said at the end."""


@part
def find_root(parent: Any, node: Any) -> Any:
    """Root of a node's tree in a forest (union-find), whose paths are halved on the way.

    Parameters
    ----------
    parent : ndarray of int, shape (n,)
        Parent of each node; a root is its own. Changed in place.
    node : int

    Returns
    -------
    int
    """
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node
