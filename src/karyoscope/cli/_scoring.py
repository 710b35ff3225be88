"""The progress of ``karyoscope evaluate`` as a person at a terminal sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from rich.console import Console
from rich.progress import Progress

from karyoscope.datasets import Sample
from karyoscope.evaluation import Prediction


class ScoringBar:
    """Progress of images that are scored on stderr, for as long as that is a terminal.

    Parameters
    ----------
    watch : callable, optional
        Called with each image and its prediction too.
    """

    def __init__(self, watch: Callable[[Sample, Prediction], None] | None = None) -> None:
        self._watch = watch
        console = Console(stderr=True)
        self._bar = Progress(console=console, disable=not console.is_terminal, transient=True)
        self._task = self._bar.add_task("scoring", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def begin(self, images: int) -> None:
        """Show how many images there are."""
        self._bar.update(self._task, total=images)

    def advance(self, sample: Sample, prediction: Prediction) -> None:
        """Count an image."""
        self._bar.advance(self._task)
        if self._watch is not None:
            self._watch(sample, prediction)
