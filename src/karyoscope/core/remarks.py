"""Warnings that must not be lost: what the reader of a result has to know of how it was made."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_listeners: list[Callable[[str], None]] = []


def warn(message: str, stacklevel: int = 1) -> None:
    """Pass a warning to the listeners of this process, or issue a Python warning if there are none.

    Python keeps filters and handlers of warnings for all threads together, and compilers of
    kernels replace both for a moment in threads of their own. A warning of that moment could
    miss the summary that it belongs to, so a listener is called directly.

    Parameters
    ----------
    message : str
        One line.
    stacklevel : int
        Depth of the caller, as in :func:`warnings.warn`; 1 is the caller of this function.
    """
    if _listeners:
        _listeners[-1](message)
    else:
        warnings.warn(message, stacklevel=stacklevel + 1)


@contextmanager
def listening(hear: Callable[[str], None]) -> Iterator[None]:
    """Give all warnings of :func:`warn` to a function, from every thread.

    If several functions listen, only the latest receives them.
    """
    _listeners.append(hear)
    try:
        yield
    finally:
        _listeners.remove(hear)
