"""Standard output and error that never end a job: full, closed, or of another encoding."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import Any, TextIO

_BROKEN_PIPE = (errno.EPIPE, errno.EINVAL)  # Windows says the latter


class LenientStream:
    """A text stream whose failures are noted, not raised; what cannot be encoded becomes ``?``.

    Parameters
    ----------
    stream : text stream

    Attributes
    ----------
    error : OSError or ValueError or None
        The first failure; nothing is written from then on.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.error: OSError | ValueError | None = None
        with suppress(AttributeError, OSError, ValueError):
            errors = "replace" if stream is sys.stdout else "backslashreplace"
            stream.reconfigure(errors=errors)  # type: ignore[attr-defined]

    def write(self, text: str) -> int:
        """Write text, or note why it cannot be written."""
        if self.error is None:
            try:
                self._stream.write(text)
            except (OSError, ValueError) as error:
                self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Flush, or note why that cannot be done."""
        if self.error is None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._give_up(error)

    def writelines(self, lines: Any) -> None:
        """Write several pieces of text."""
        for line in lines:
            self.write(line)

    def _give_up(self, error: OSError | ValueError) -> None:
        self.error = error
        # What is still buffered must not fail again when the interpreter ends.
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def make_lenient() -> None:
    """Replace the standard streams of this process; those that are closed lead nowhere.

    Else the first file that is opened would take the number of a closed stream, and whatever
    prints to that number would end up in the file.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, LenientStream):
            setattr(sys, name, LenientStream(stream))


def code_after_printing(code: int) -> int:
    """Exit code of a job, once all that it printed has left: 1 where that was lost.

    A reader that has gone (``| head``) needs no message.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    error = getattr(sys.stdout, "error", None)
    if error is None:
        return code
    if getattr(error, "errno", None) not in _BROKEN_PIPE:
        why = getattr(error, "strerror", None) or error
        print(f"karyoscope: standard output is incomplete: {why}", file=sys.stderr)
    return code or 1
