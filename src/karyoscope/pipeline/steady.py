"""A second chance for windows that fail, and a way on past those that fail again."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager

from karyoscope.core.errors import KaryoscopeError
from karyoscope.inference import Maps
from karyoscope.pipeline.blocks import Window

Running = AbstractContextManager[Iterator[Maps]]
"""Gives the maps of windows in order; ends with the error of the first that fails."""

#: Windows in a row that may fail; more, and the engine is taken to be out of order.
_PATIENCE = 2


def run_steadily(
    maps_of: Callable[[Sequence[Window]], Running],
    windows: Sequence[Window],
    patience: int = _PATIENCE,
) -> Generator[Maps | KaryoscopeError]:
    """Run windows; one that fails is run once more, and may then give its error for its maps.

    Parameters
    ----------
    maps_of : callable
        Begins to run the windows that it is given.
    windows : sequence of Window
    patience : int
        Windows in a row that may fail twice.

    Yields
    ------
    Maps or KaryoscopeError
        One for each window, in order.

    Raises
    ------
    KaryoscopeError
        That of the window which exhausts the patience.
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
            if failed > patience:
                raise
            yield error
