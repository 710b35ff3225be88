"""A batch of slides as a person at a terminal sees it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from rich.console import Console

from karyoscope.cli._terminal import complain, progress_bar
from karyoscope.export import summary_table
from karyoscope.pipeline import BatchListener, Progress, SlideResult


class TerminalListener(BatchListener):
    """Prints a table a slide on stdout, and all else on stderr.

    Parameters
    ----------
    bars : bool
        Show a progress bar for the slide that runs.
    tables : bool
        Print the tables.

    Attributes
    ----------
    current : Path or None
        The slide that runs.
    """

    def __init__(self, bars: bool, tables: bool) -> None:
        self.current: Path | None = None
        self._bars, self._tables = bars, tables
        self._bar = ExitStack()
        self._show: Callable[[Progress], None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def problem(self, line: str) -> None:
        """Print what is wrong with an input."""
        complain(line)

    def begin(self, path: Path) -> None:
        """Note which slide runs."""
        self.current = path

    def progress(self, path: Path, progress: Progress) -> None:
        """Move the bar, which is begun with the first block."""
        if not self._bars:
            return
        if self._show is None:
            self._show = self._bar.enter_context(progress_bar(path.name))
        self._show(progress)

    def warning(self, path: Path, line: str) -> None:
        """Print a warning."""
        complain(line)

    def finished(self, slide: SlideResult) -> None:
        """Print what came of a slide."""
        self._bar.close()
        self._show = self.current = None
        name = slide.path.name
        if slide.trace:
            print(slide.trace, end="", file=sys.stderr)
            complain(f"{slide.path}: this should not happen, please report the lines above")
        elif slide.status == "failed":
            complain(slide.error)
        if slide.resumable:
            complain(f"{name}: what is done is kept; the same command again goes on")
        if slide.summary is None:
            return
        if slide.status == "unchanged":
            remedy = "--retry-failed runs the gaps again" if slide.incomplete else "nothing to do"
            complain(f"{name}: done before with the same settings; {remedy}")
        else:
            for line in slide.summary["warnings"]:
                complain(f"{name}: {line}")
            _print_line(slide)
        if self._tables:
            Console().print(summary_table(slide.summary))


def _print_line(slide: SlideResult) -> None:
    assert slide.summary is not None
    kept = slide.blocks_kept
    before = f", {kept} blocks of an earlier run taken over" if kept else ""
    found = f"{slide.summary['nuclei']:,} nuclei in {slide.seconds:.1f} s"
    print(f"{slide.path.name}: {found}{before}", file=sys.stderr)
