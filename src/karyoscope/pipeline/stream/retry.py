"""Windows that fail are run a second time, and left out where they fail again."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager

from karyoscope.core.errors import KaryoscopeError
from karyoscope.inference import Maps
from karyoscope.pipeline.tiling.blocks import Window

Running = AbstractContextManager[Iterator[Maps]]
"""Gives the maps of windows in order; ends with the error of the first that fails."""

#: Windows in a row that may fail twice; after one more, the engine is taken to be out of order.
MAX_CONSECUTIVE_FAILURES = 2


def run_with_retry(
    maps_of: Callable[[Sequence[Window]], Running],
    windows: Sequence[Window],
    max_consecutive_failures: int = MAX_CONSECUTIVE_FAILURES,
) -> Generator[Maps | KaryoscopeError]:
    """Run windows; a window that fails is run once more, and may then give its error.

    Parameters
    ----------
    maps_of : callable
        Begins to run the windows that it is given.
    windows : sequence of Window
    max_consecutive_failures : int
        Windows in a row that may fail twice.

    Yields
    ------
    Maps or KaryoscopeError
        One for each window, in order.

    Raises
    ------
    KaryoscopeError
        The error of the last window, once more windows in a row have failed than may.
    """
    at, again, failed = 0, False, 0
    while at < len(windows):
        try:
            with maps_of(windows[at:]) as running:
                for maps in running:
                    at, again, failed = at + 1, False, 0
                    yield maps
        except KaryoscopeError as error:
            if not again:
                again = True
                continue
            at, again, failed = at + 1, False, failed + 1
            if failed > max_consecutive_failures:
                raise
            yield error
