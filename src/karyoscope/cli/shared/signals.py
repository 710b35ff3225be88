"""Ctrl-C, SIGTERM and SIGHUP: the job tidies up and ends with 128 + the number of the signal."""

from __future__ import annotations

import os
import signal
from types import FrameType

_ORDINARY = (signal.SIG_DFL, signal.default_int_handler)
_ANSWERED = ("SIGINT", "SIGTERM", "SIGHUP")
received: list[int] = []


def watch_signals() -> None:
    """End the job in good order when a signal asks for it.

    The first signal is raised as KeyboardInterrupt, so that what is half-written is removed. It
    takes as long as a window of the network runs; a second signal meanwhile is answered with a
    line, for an exception amid the tidying up would leave threads behind, in whose calls the
    interpreter then crashes. A third ends the process at once. Signals that are ignored, as
    ``nohup`` does, stay so.
    """
    received.clear()
    for name in _ANSWERED:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) in _ORDINARY:
            signal.signal(number, on_signal)


def code_after_signals(code: int) -> int:
    """Exit code of a job: that of the signal that ended it, else its own.

    After a signal, further ones are ignored: Python gives each its own effect back as it ends, and
    the process would end by the signal instead of with the code.
    """
    if received:
        for name in _ANSWERED:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is on_signal:
                signal.signal(number, signal.SIG_IGN)
    return 128 + received[0] if received and code else code


def on_signal(number: int, frame: FrameType | None) -> None:
    """Interrupt at the first signal, print a line at the second, end at once at the third."""
    received.append(number)
    if len(received) == 1:
        raise KeyboardInterrupt
    if len(received) == 2:
        line = b"karyoscope: stopping, which takes a moment; once more to stop at once\n"
        try:
            os.write(2, line)
        except OSError:
            return
    else:
        os._exit(128 + received[0])
