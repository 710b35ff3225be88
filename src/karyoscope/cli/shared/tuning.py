"""Terminal output of ``karyoscope tune``."""

from __future__ import annotations

import json
from typing import Self

from rich.progress import Progress, TaskID

from karyoscope.cli.shared.terminal import terminal
from karyoscope.evaluation import TuningListener
from karyoscope.evaluation.search import CrossCheck
from karyoscope.evaluation.search_space import Params


class TerminalListener(TuningListener):
    """Prints a progress bar and what was tried on stderr."""

    def __init__(self) -> None:
        self._console = terminal(stderr=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._task = None

    def predicted(self, done: int, images: int) -> None:
        """Move the bar; it is gone once the network has been run on all images."""
        if done == images:
            self._stop()
            return
        if self._bar is None:
            hidden = not self._console.file.isatty()
            self._bar = Progress(console=self._console, transient=True, disable=hidden)
            self._bar.start()
            self._task = self._bar.add_task("running the network", total=images)
        assert self._task is not None
        self._bar.update(self._task, completed=done)

    def tried(self, params: Params, score: float) -> None:
        """Print a set of parameters and its score."""
        line = f"{score:.4f} {json.dumps(params)}"
        self._console.print(line, soft_wrap=True, highlight=False)

    def checked(self, name: str, found: CrossCheck) -> None:
        """Print what tuning does to images that it was not done on."""
        for half, (own, other) in enumerate(zip(found.own, found.other, strict=True), 1):
            self._console.print(
                f"tuned on half {half}: {own[0]:.4f} -> {own[1]:.4f}; the other half"
                f" {other[0]:.4f} -> {other[1]:.4f}",
                highlight=False,
            )
        self._console.print(
            f"gain on the half not tuned on: {found.gain:+.4f} (on its own: {found.own_gain:+.4f})",
            highlight=False,
        )
