"""What a command says of its work: on stderr, and in the file of ``--log-file``.

The logger ``karyoscope`` of Python's :mod:`logging` takes it all, so that a module which logs is
heard, too.
"""

from __future__ import annotations

import logging
import os
import platform
import shlex
import sys
import time
from contextlib import suppress
from pathlib import Path

from karyoscope import __version__
from karyoscope.core.text import for_terminal

_ALL = logging.getLogger("karyoscope")
_ALL.addHandler(logging.NullHandler())
_LOG = logging.getLogger("karyoscope.command")
_PRINTED = {"printed": True}
_kept: list[logging.Handler] = []


def complain(message: str) -> None:
    """Print one line on stderr, named as ours, and log it."""
    print(f"karyoscope: {for_terminal(message)}", file=sys.stderr)
    _LOG.warning(message, extra=_PRINTED)


def report(message: str) -> None:
    """Print lines on stderr that are no complaint, and log them."""
    for line in message.split("\n"):
        print(for_terminal(line), file=sys.stderr)
        _LOG.info(line, extra=_PRINTED)


def detail(message: str) -> None:
    """Log a line that few want to see."""
    _LOG.debug(message)


def not_printed_yet(record: logging.LogRecord) -> bool:
    """Whether a line has not been printed when it was logged; a filter of handlers."""
    return not getattr(record, "printed", False)


def show_details(wanted: bool) -> None:
    """Print on stderr what is logged and not printed already, with the time."""
    if wanted and not any(isinstance(handler, _OnScreen) for handler in _kept):
        _add(_OnScreen(), "%H:%M:%S")


def log_to(file: Path) -> None:
    """Add what is logged to the end of a file, beginning with what runs where.

    Raises
    ------
    OSError
        If the file cannot be opened.
    """
    _add(_InFile(file, encoding="utf-8", errors="backslashreplace"), "%Y-%m-%d %H:%M:%S")
    detail(f"karyoscope {__version__}, Python {platform.python_version()}, {platform.platform()}")
    detail(f"process {os.getpid()} on {platform.node()}, {os.cpu_count()} cores, in {Path.cwd()}")
    detail(f"command: {shlex.join(sys.argv)}")


def end_log(code: int, began: float) -> None:
    """Log the exit code and the time since ``began`` (:func:`time.monotonic`); close the log."""
    detail(f"exit code {code} after {time.monotonic() - began:.1f} s")
    while _kept:
        handler = _kept.pop()
        _ALL.removeHandler(handler)
        handler.close()


def _add(handler: logging.Handler, times: str) -> None:
    handler.setFormatter(_Line("%(asctime)s %(levelname)s %(message)s", times))
    _ALL.setLevel(logging.DEBUG)
    _ALL.addHandler(handler)
    _kept.append(handler)


class _Line(logging.Formatter):
    """One line a message, whatever names it holds; a traceback keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return for_terminal(super().formatMessage(record))


class _OnScreen(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        # The stream of now: tests and progress bars replace it.
        if not_printed_yet(record):
            print(self.format(record), file=sys.stderr)


class _InFile(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        """Say once that the log ends here; a full disk must not end the job."""
        _ALL.removeHandler(self)
        error = sys.exc_info()[1]
        complain(f"--log-file {self.baseFilename}: {error}; the log ends here")

    def close(self) -> None:
        # What is still buffered fails again.
        with suppress(OSError):
            super().close()
