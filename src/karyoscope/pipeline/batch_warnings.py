"""Python's warnings, given to the slide that they are about."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self, TextIO


class SlideWarnings:
    """Hears the warnings of several slides, also where they are run in threads of their own.

    A warning is given to the slide that its thread works on; one from a thread that works for a
    slide without being its own (a reader's) to the slide that was begun last.

    Parameters
    ----------
    report : callable
        Called with the path of a slide and one line, for each line of a slide once.
    """

    def __init__(self, report: Callable[[Path, str], None]) -> None:
        self._report = report
        self._thread = threading.local()
        self._latest: Path | None = None
        self._heard: set[tuple[Path, str]] = set()
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> Self:
        self._caught.__enter__()
        warnings.simplefilter("always")
        warnings.showwarning = self._hear
        return self

    def __exit__(self, *error: object) -> None:
        self._caught.__exit__(None, None, None)

    @contextmanager
    def of(self, path: Path) -> Iterator[None]:
        """Give the warnings of this thread to a slide."""
        self._thread.path = self._latest = path
        try:
            yield
        finally:
            self._thread.path = None

    def _hear(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        path = getattr(self._thread, "path", None) or self._latest
        text = str(message)
        if path is None or not issubclass(category, UserWarning) or (path, text) in self._heard:
            return
        self._heard.add((path, text))
        self._report(path, text if str(path) in text else f"{path.name}: {text}")
