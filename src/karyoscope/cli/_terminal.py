"""What a person at a terminal sees beside the results: all of it on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as ProgressBar

from karyoscope.core.text import for_markup, for_terminal
from karyoscope.pipeline import Progress


def complain(message: str) -> None:
    """Print one line on stderr."""
    print(f"karyoscope: {for_terminal(message)}", file=sys.stderr)


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[Progress], None]]:
    """Progress with an estimate on stderr, for as long as that is a terminal.

    What it yields is called with the progress after each block.
    """
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    hidden = not console.is_terminal
    with ProgressBar(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(for_markup(title), total=None)
        yield lambda progress: bar.update(
            task, completed=progress.blocks_done, total=progress.blocks
        )


@contextmanager
def counting_bar(total: int, what: str) -> Iterator[Callable[[], None]]:
    """Progress of ``total`` equal things on stderr, for as long as that is a terminal.

    What it yields is called after each.
    """
    console = Console(stderr=True)
    with ProgressBar(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(for_markup(what), total=total)
        yield lambda: bar.advance(task)
