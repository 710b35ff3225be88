"""Compiled loops: one decorator, whose cache is where it can be written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, overload

import numba
from numba.core import event

# No wrapper for callers in C: there are none, and it would be compiled too.
_CACHED: dict[str, Any] = {"cache": True, "no_cfunc_wrapper": True}

Function = TypeVar("Function", bound=Callable[..., Any])


@overload
def njit(function: Function, /) -> Function: ...
@overload
def njit(**options: Any) -> Callable[[Function], Function]: ...
def njit(function: Any = None, /, **options: Any) -> Any:
    """Compile a function with numba, and keep the result on disk where that is possible.

    numba writes its cache beside the source or into the home of the user. Where neither can be
    written (an installation of the system's, a container without a home), a folder of the user's
    in the temporary folder takes it, and where there is none either, nothing is kept: each
    process then compiles again, which takes seconds and changes no result.

    Parameters
    ----------
    function : callable
        Function to compile; without it the decorator with options is returned.
    **options
        Further options of :func:`numba.njit`, such as ``nogil=True``.

    Returns
    -------
    callable
        The compiled function.
    """
    if function is None:
        return lambda inner: _compile(inner, options)
    return _compile(function, options)


def _compile(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    try:
        return numba.njit(**options, **_CACHED)(function)
    except RuntimeError:  # no place for the cache
        folder = _own_folder()
    if folder is not None:
        config: Any = numba.config
        before = config.CACHE_DIR
        config.CACHE_DIR = str(folder)
        try:
            return numba.njit(**options, **_CACHED)(function)
        except RuntimeError:
            pass
        finally:
            config.CACHE_DIR = before
    return numba.njit(**options)(function)


def _own_folder() -> Path | None:
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


@njit
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
