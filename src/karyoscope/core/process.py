"""Which process wrote something, and whether it still runs; and how a process takes memory."""

from __future__ import annotations

import ctypes
import hashlib
import os
import socket
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

_ARENA_MAX = -8  # M_ARENA_MAX of <malloc.h>
_FEW_CORES = 4


def available_cores() -> int:
    """Return the number of cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def limit_arenas(number: int = 0) -> None:
    """Let all threads of this process share one heap, or few, where the C library is glibc.

    By itself it gives each thread a heap, up to eight a core, and what was freed in one is of no
    use to the others. Maps of windows are made in one thread and used up in another, and the
    network is compiled in a third: with one heap ``karyoscope segment`` takes 14 to 26 MB less on
    two cores than with two heaps, in the same time. A user's ``MALLOC_ARENA_MAX`` is left as it is.

    Parameters
    ----------
    number : int
        Heaps; 0 for one on up to four cores and two on more, where threads could wait for it.
    """
    if sys.platform == "linux" and "MALLOC_ARENA_MAX" not in os.environ:
        number = number or (1 if available_cores() <= _FEW_CORES else 2)
        # Other C libraries have no such function, and need none.
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_ARENA_MAX, number)


def give_back_memory() -> None:
    """Return memory that was freed to the system, where the C library is glibc.

    By itself it keeps most of what lies between memory that is in use: some hundred MB after the
    tissue of a large slide was found. This takes a few milliseconds.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


@cache
def machine() -> str:
    """Digest of this machine and its last start, within which process numbers are unique.

    A container that counts its processes by itself is a machine of its own.

    Returns
    -------
    str
        Eight hexadecimal digits.
    """
    parts = [socket.gethostname()]
    for of_kernel in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            path = Path(of_kernel)
            parts.append(os.readlink(path) if path.is_symlink() else path.read_text("utf-8"))
        except OSError:
            continue
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def started(pid: int) -> str:
    """When a process of this machine began, in the ticks of its kernel; empty where unknown.

    Numbers of processes are given again, the pair of number and beginning is not.
    """
    try:
        # The name of the program, in parentheses, may hold spaces.
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return ""


def runs(pid: int) -> bool:
    """Whether a process of this machine is running; True if this cannot be determined."""
    if sys.platform == "win32":
        return True  # there a signal 0 would end it
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError, ValueError):
        return False
    except OSError:
        return True
    return True
