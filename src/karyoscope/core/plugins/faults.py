"""Exceptions in plugins, distinguished from those of karyoscope and of the input."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from karyoscope.core.errors import KaryoscopeError

OWNERS: set[Path] = set()
"""Files and folders whose code is a plugin's."""


class PluginError(KaryoscopeError):
    """A fault in a plugin's own code; the message names its file and line."""


def fault(error: BaseException) -> str | None:
    """Describe in one line an error that the code of a plugin raised; None for any other."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        place = Path(frame.filename)
        if any(place.is_relative_to(owner) for owner in OWNERS):
            return _described(place, frame.lineno, frame.name, error)
    return None


@contextmanager
def blamed() -> Iterator[None]:
    """Turn an error that the code of a plugin raised into one line that names its file.

    Raises
    ------
    PluginError
    """
    try:
        yield
    except KaryoscopeError:
        raise
    except Exception as error:
        line = fault(error)
        if line is None:
            raise
        raise PluginError(line) from error


def fault_at_start(path: Path, error: BaseException) -> str:
    """Describe an error that a file raised while it was run for the first time."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"plugin {path}, line {error.lineno}: SyntaxError: {error.msg}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    return _described(path, frames[-1].lineno if frames else None, "<module>", error)


def _described(path: Path, line: int | None, function: str, error: BaseException) -> str:
    at = f", line {line}" if line else ""
    inside = "" if function == "<module>" else f", in {function}"
    message = " ".join(str(error).split())
    return f"plugin {path}{at}{inside}: {type(error).__name__}{f': {message}' if message else ''}"
