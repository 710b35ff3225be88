"""A run: a slide, a model, options and an output folder, with its state on disk.

A run is the same as another where it would give the same nuclei: same slide, model, options and
version. Where its results are complete there is nothing to do; where it was stopped, its journal
holds the blocks that are done, and only the others are read and run.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, closing
from functools import cached_property
from pathlib import Path
from typing import Any

from karyoscope.core.lock import Lock, locked
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.remarks import warn
from karyoscope.inference import Model
from karyoscope.pipeline.executor import Executor
from karyoscope.pipeline.options import SegmentOptions
from karyoscope.pipeline.progress import Progress
from karyoscope.pipeline.runs.identity import run_settings
from karyoscope.pipeline.runs.journal import Journal
from karyoscope.pipeline.runs.results import (
    finished_summary,
    is_incomplete,
    read_summary,
    summary_path,
    was_being_renamed,
)
from karyoscope.pipeline.tiling.area import Area
from karyoscope.pipeline.tiling.blocks import Layout
from karyoscope.pipeline.tiling.report import BlockReport
from karyoscope.slides import Slide
from karyoscope.slides.base import slide_name


class Run:
    """One slide that is segmented with a model into a folder.

    Parameters
    ----------
    path : path
        Slide or image.
    out : path
        Folder of the outputs, ``<stem>.<format>``.
    model : Model
        Model that finds the nuclei.
    options : SegmentOptions, optional
        Settings of the run.

    Attributes
    ----------
    path, out : Path
    model : Model
        Model that finds the nuclei.
    options : SegmentOptions
        Options of the run, with the stain loaded for the model.
    name : str
        Stem of the outputs.
    """

    def __init__(
        self,
        path: str | Path,
        out: str | Path,
        model: Model,
        options: SegmentOptions | None = None,
    ) -> None:
        self.path, self.out, self.model = Path(path), Path(out), model
        self.options = (options or SegmentOptions()).with_stain_for(model)
        self.name = slide_name(self.path, self.options.scene)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """All that the nuclei depend on; see :func:`~karyoscope.pipeline.runs.run_settings`."""
        return run_settings(self.path, self.model, self.options)

    @property
    def journal_folder(self) -> Path:
        """Where the finished blocks are kept while the others are run."""
        return self.out / f".{self.name}.journal"

    def locked(self) -> AbstractContextManager[Lock]:
        """Hold the lock of the results for a ``with`` block.

        Raises
        ------
        LockedError
            If another run writes them.
        """
        return locked(self.out / f".{self.name}.lock", str(self.path))

    def finished(self) -> dict[str, Any] | None:
        """Return the summary of an earlier run that leaves nothing to do, or None.

        Raises
        ------
        KaryoscopeError
            If files of that run were cut or changed since.
        """
        if self.options.overwrite:
            return None
        summary = finished_summary(self.out, self.name, self.options.written_formats, self.settings)
        if summary is None or (self.options.retry_failed and is_incomplete(summary)):
            return None
        return summary

    def may_replace(self) -> bool:
        """Return whether results that exist may be replaced.

        They may where that is requested, and where a run like this one began to write them.
        """
        if self.options.overwrite or Journal.is_begun(self.journal_folder, self.settings):
            return True
        if self.options.retry_failed:
            # The slide may have been repaired meanwhile.
            earlier = read_summary(summary_path(self.out, self.name))
            found = {**earlier.get("run", {}), "slide": self.settings["slide"]}
            return is_incomplete(earlier) and found == self.settings
        return was_being_renamed(self.out, self.name, self.settings)

    def journal(self, slide: Slide) -> Journal:
        """Open the journal of the run, ready to be resumed from.

        Warns where a journal of other settings is discarded.
        """
        journal = self._open_journal(slide)
        if journal.discarded:
            warn(
                f"{self.path}: an unfinished run had another {journal.discarded!r};"
                " starting afresh",
                stacklevel=3,
            )
        damaged = journal.remove_damaged()
        if damaged:
            warn(
                f"{self.path}: {damaged} blocks that an unfinished run left are damaged; they are"
                " run again",
                stacklevel=3,
            )
        if self.options.retry_failed:
            journal.reopen()
        elif journal.finished:
            # These results are to be replaced as a whole.
            journal.remove()
            journal = self._open_journal(slide)
        return journal

    def _open_journal(self, slide: Slide) -> Journal:
        return Journal(self.journal_folder, self.settings, self.model.taxonomy, slide.mpp)

    def blocks(
        self,
        slide: Slide,
        layout: Layout,
        area: Area,
        wanted: Sequence[int],
        journal: Journal | None,
        executor: Executor,
        progress: Progress,
    ) -> Generator[tuple[Nuclei, BlockReport]]:
        """Blocks of a slide: finished ones from the journal, the others as they are segmented.

        The others are put into the journal, save those on which the engine failed.

        Parameters
        ----------
        slide : Slide
            The slide in the colours that the model is shown.
        layout, area : Layout, Area
            See :func:`karyoscope.pipeline.run_blocks`.
        wanted : sequence of int
            Places of the blocks among all blocks of the layout, in ascending order.
        journal : Journal or None
            Keeps the blocks that are done; None to keep nothing.
        executor : Executor
            Runs the blocks that are not in the journal.
        progress : Progress
            Takes the seconds of each stage.

        Yields
        ------
        nuclei : Nuclei
        report : BlockReport
        """
        done = journal.done().intersection(wanted) if journal else set()
        left = set(wanted) - done
        progress.blocks, progress.blocks_kept = len(wanted), len(done)
        running = executor.run_blocks(slide, self.model, layout, area, left, progress)
        with closing(running) as fresh:
            for index in wanted:
                if journal and index in done:
                    yield journal.get(index)
                    continue
                _, nuclei, report = next(fresh)
                if journal and report.failed is None:
                    with progress.time("journal"):
                        journal.put(index, nuclei, report)
                yield nuclei, report
