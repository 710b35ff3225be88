"""Memory that was needed for a moment goes back to the system."""

from __future__ import annotations

import ctypes

import pyarrow as pa

_M_MMAP_THRESHOLD = -3
_LARGE = 1 << 20


def give_memory_back() -> None:
    """Make allocators return large blocks at once, where they support it.

    glibc keeps blocks of up to 32 MB for later once such a block was freed, in each thread, and
    Arrow's allocators do so, too: reading the outlines of a million nuclei would leave 250 MB
    behind. Elsewhere nothing changes.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        ctypes.CDLL("libc.so.6").mallopt(_M_MMAP_THRESHOLD, _LARGE)
    except (OSError, AttributeError):
        return  # another C library
