"""Warnings, given to the slide that they are about."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Self, TextIO

from karyoscope.core.remarks import listening

_slide: ContextVar[Path | None] = ContextVar("slide", default=None)


class SlideWarnings:
    """Collects the warnings of several slides, also if they are run in parallel threads.

    A warning is given to the slide that its thread works on, as the thread of the slide or for it
    (see :func:`karyoscope.pipeline.stream.parallel.submit`); one from another thread to the slide
    that was begun last.

    Parameters
    ----------
    report : callable
        Called with the path of a slide and one line, for each line of a slide once.
    """

    def __init__(self, report: Callable[[Path, str], None]) -> None:
        self._report = report
        self._latest: Path | None = None
        self._heard: dict[Path, list[str]] = {}
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> Self:
        self._listening = listening(self._heard_line)
        self._listening.__enter__()
        self._caught.__enter__()
        warnings.simplefilter("always")
        warnings.showwarning = self._hear
        return self

    def __exit__(self, *error: object) -> None:
        self._caught.__exit__(None, None, None)
        self._listening.__exit__(None, None, None)

    @contextmanager
    def of(self, path: Path) -> Iterator[None]:
        """Give the warnings of this thread to a slide."""
        self._latest = path
        before = _slide.set(path)
        try:
            yield
        finally:
            _slide.reset(before)

    def lines(self, path: Path) -> list[str]:
        """Return the warnings about a slide so far, in order."""
        return list(self._heard.get(path, []))

    def _hear(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, UserWarning):
            self._heard_line(str(message))

    def _heard_line(self, message: str) -> None:
        path = _slide.get() or self._latest
        text = " ".join(message.split())
        if path is None or text in self.lines(path):
            return
        self._heard.setdefault(path, []).append(text)
        self._report(path, text if str(path) in text else f"{path.name}: {text}")
