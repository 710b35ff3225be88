"""How much longer a batch of slides takes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path


class TimeLeft:
    """Estimates when a batch is done, from the slides so far and the sizes of their files.

    A slide takes as long as its tissue is large, which nobody knows before; the size of its file
    comes near, since blank glass is compressed to little.

    Parameters
    ----------
    paths : sequence of Path
        All slides, in their order.
    clock : callable
        Gives the time in seconds.
    """

    def __init__(self, paths: Sequence[Path], clock: Callable[[], float] = time.monotonic) -> None:
        self._left = [(path, _size(path)) for path in paths]
        self._clock, self._since = clock, clock()
        self._run = self._done = 0
        self.slides = len(self._left)

    def finished(self, path: Path, was_run: bool) -> None:
        """Count a slide; one with nothing to do says nothing of the time of others."""
        for place, (other, size) in enumerate(self._left):
            if other == path:
                del self._left[place]
                self._done += 1
                self._run += size if was_run else 0
                return

    @property
    def seconds(self) -> float | None:
        """Seconds until all are done; None before the first was run and after the last."""
        if not self._run or not self._left:
            return None
        return (self._clock() - self._since) / self._run * sum(size for _, size in self._left)

    def __str__(self) -> str:
        seconds = self.seconds
        left = "" if seconds is None else f", about {spoken_time(seconds)} left"
        return f"{self._done} of {self.slides} slides{left}"


def _size(path: Path) -> int:
    try:
        return max(1, os.path.getsize(path))
    except OSError:  # not fetched yet, or not there
        return 1


def spoken_time(seconds: float) -> str:
    """A duration in the unit that fits, in whole numbers."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours = round(minutes / 60)
    return f"{hours} h" if hours < 48 else f"{round(hours / 24)} days"
