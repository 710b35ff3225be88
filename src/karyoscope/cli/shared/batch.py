"""Terminal output of a batch of slides."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from karyoscope.cli.shared.left import TimeLeft
from karyoscope.cli.shared.terminal import complain, detail, progress_bar, report, terminal
from karyoscope.core.kernels import when_compiling
from karyoscope.formats import summary_table
from karyoscope.pipeline import BatchListener, Progress, SlideResult


def _say_compiling() -> None:
    if sys.stderr.isatty():
        complain("first run: compiling for this processor; this takes some ten seconds, once")


class TerminalListener(BatchListener):
    """Prints a table a slide on stdout, and all else on stderr.

    Parameters
    ----------
    bars : bool
        Show a progress bar for the slide that runs.
    tables : bool
        Print the tables.
    out : str
        Folder that the results are written to.

    Attributes
    ----------
    current : Path or None
        The slide that runs.
    """

    def __init__(self, bars: bool, tables: bool, out: str) -> None:
        self.current: Path | None = None
        self._out = out
        self._left: TimeLeft | None = None
        self._bars, self._tables = bars, tables
        self._bar, self._compiling = ExitStack(), ExitStack()
        self._printed: set[str] = set()
        self._show: Callable[[Progress], None] | None = None

    def __enter__(self) -> Self:
        self._compiling.enter_context(when_compiling(_say_compiling))
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()
        self._compiling.close()

    def problem(self, line: str) -> None:
        """Print what is wrong with an input."""
        complain(line)

    def planned(self, paths: Sequence[Path]) -> None:
        """Begin to estimate the time of several slides."""
        detail(f"{len(paths)} slides, results in {self._out}")
        self._left = TimeLeft(paths) if len(paths) > 1 else None

    def begin(self, path: Path) -> None:
        """Note which slide runs."""
        detail(f"{path}: begun")
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
        self._printed.add(line)
        complain(line)

    def finished(self, slide: SlideResult) -> None:
        """Print what came of a slide."""
        self._bar.close()
        self._show = self.current = None
        if self._left:
            self._left.finished(slide.path, slide.status != "unchanged")
        name = slide.path.name
        if slide.trace:
            report(slide.trace.rstrip("\n"))
            complain(f"{slide.path}: this should not happen, please report the lines above")
        elif slide.status == "failed":
            complain(slide.error)
        if slide.resumable:
            complain(f"{name}: what is done is kept; run the same command again to continue")
        if slide.summary is None:
            return
        if slide.status == "unchanged":
            remedy = "--retry-failed runs the gaps again" if slide.incomplete else "nothing to do"
            complain(f"{name}: done before with the same settings; {remedy}")
        else:
            for line in slide.summary["warnings"]:
                if not self._printed & {line, f"{name}: {line}"}:
                    complain(f"{name}: {line}")
            self._print_line(slide)
        if self._tables:
            terminal().print(summary_table(slide.summary))

    def _print_line(self, slide: SlideResult) -> None:
        """Print what was found, by what, how long it took, and which files hold it."""
        assert slide.summary is not None
        kept = slide.blocks_kept
        before = f", {kept} blocks of an earlier run taken over" if kept else ""
        found = f"{slide.summary['nuclei']:,} nuclei in {slide.seconds:.1f} s"
        engine = slide.summary.get("run", {}).get("engine")
        report(f"{slide.path.name}: {found}{f' on {engine}' if engine else ''}{before}")
        report(f"  {self._out}: {_files(slide)}")
        if self._left:
            report(f"  {self._left}")


def _files(slide: SlideResult) -> str:
    """Names of the files of a slide; the stem stands once."""
    assert slide.summary is not None
    names = [*slide.summary.get("files", {}), f"{slide.name}.summary.json"]
    return ", ".join([names[0], *(name.removeprefix(slide.name) for name in names[1:])])
