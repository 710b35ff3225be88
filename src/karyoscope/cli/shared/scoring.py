"""Progress bar of ``karyoscope evaluate``."""

from __future__ import annotations

from typing import Self

from rich.progress import Progress

from karyoscope.cli.shared.terminal import terminal
from karyoscope.datasets import Sample
from karyoscope.evaluation import Prediction


class ScoringBar:
    """Progress of images that are scored on stderr, for as long as that is a terminal."""

    def __init__(self) -> None:
        console = terminal(stderr=True)
        self._bar = Progress(console=console, disable=not console.file.isatty(), transient=True)
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
