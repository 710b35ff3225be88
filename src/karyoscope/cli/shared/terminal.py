"""What a person at a terminal sees beside the results: all of it on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as ProgressBar

from karyoscope.cli.shared.log import complain as complain
from karyoscope.cli.shared.log import detail as detail
from karyoscope.cli.shared.log import report as report
from karyoscope.core.text import for_terminal

if TYPE_CHECKING:
    from karyoscope.pipeline import Progress


def terminal(stderr: bool = False) -> Console:
    """Terminal that prints text unchanged: ``:smile:`` in a name does not become an emoji."""
    return Console(stderr=stderr, emoji=False)


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[Progress], None]]:
    """Progress with an estimate on stderr, for as long as that is a terminal.

    What it yields is called with the progress after each block.
    """
    console = terminal(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    hidden = not console.file.isatty()
    with ProgressBar(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(for_terminal(title), total=None)
        yield lambda progress: bar.update(
            task, completed=progress.blocks_done, total=progress.blocks
        )


class CountingBar:
    """A bar that is moved by one for each thing that is done."""

    def __init__(self, bar: ProgressBar, task: TaskID) -> None:
        self._bar, self._task = bar, task

    def begin(self, total: int) -> None:
        """Show how many there are."""
        self._bar.update(self._task, total=total)

    def advance(self, *done: object) -> None:
        """Count one step; arguments are ignored."""
        self._bar.advance(self._task)


@contextmanager
def counting_bar(what: str) -> Iterator[CountingBar]:
    """Progress of equal things on stderr, for as long as that is a terminal."""
    console = terminal(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    hidden = not console.file.isatty()
    with ProgressBar(*columns, console=console, disable=hidden, transient=True) as bar:
        yield CountingBar(bar, bar.add_task(for_terminal(what), total=None))
