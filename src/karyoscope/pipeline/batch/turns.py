"""Several slides of a batch on one machine: one is run, while others are begun and finished.

Only one slide at a time has the network. While its last blocks are measured and its files are
completed, the next is opened, its tissue found, and its windows are run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Generator, Sequence
from contextlib import closing
from pathlib import Path

from karyoscope.core.nuclei import Nuclei
from karyoscope.inference import Model
from karyoscope.pipeline.batch.result import BatchListener
from karyoscope.pipeline.executor import Executor
from karyoscope.pipeline.progress import Progress
from karyoscope.pipeline.tiling.area import Area
from karyoscope.pipeline.tiling.blocks import Layout
from karyoscope.pipeline.tiling.report import BlockReport
from karyoscope.slides import Slide

#: Slides that are begun and not finished: one has the network, the other is prepared or written.
SLIDES = 2
_POLL_S = 0.2


class Turns:
    """An executor whose slides, each in a thread of its own, run their blocks in turn.

    Parameters
    ----------
    executor : Executor
        Runs the blocks of one slide at a time.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._turn = threading.Lock()
        self._first = threading.Lock()

    @property
    def threads(self) -> int:
        """Threads of the CPU that the model may use; 0 for all."""
        return self._executor.threads

    @property
    def slides_at_once(self) -> int:
        """Slides that are begun and not finished."""
        return SLIDES

    def locate(self, path: Path) -> Path:
        """Return the path by which a slide is opened."""
        return self._executor.locate(path)

    def load(self, model: str | Path, formats: Sequence[str] = ()) -> Model:
        """Load a model; see :class:`karyoscope.pipeline.Executor`."""
        return self._executor.load(model, formats)

    def expect(self, model: Model, layout: Layout) -> None:
        """Announce the first slide; others are prepared while an earlier one has the network."""
        if self._first.acquire(blocking=False):
            self._executor.expect(model, layout)

    def run_blocks(
        self,
        slide: Slide,
        model: Model,
        layout: Layout,
        area: Area,
        indices: Collection[int],
        progress: Progress,
    ) -> Generator[tuple[int, Nuclei, BlockReport]]:
        """Segment some blocks, once no other slide is at it; see :class:`Executor`.

        The next slide has its turn when the last block is found, before it is written.

        Raises
        ------
        Stopped
            If the run is stopped while it waits.
        """
        if not indices:
            return
        since = time.perf_counter()
        while not self._turn.acquire(timeout=_POLL_S):
            progress.raise_if_stopped()
        progress.waited += time.perf_counter() - since
        holds, left = True, len(indices)
        try:
            running = self._executor.run_blocks(slide, model, layout, area, indices, progress)
            with closing(running) as blocks:
                for block in blocks:
                    left -= 1
                    if not left:
                        blocks.close()
                        holds = False
                        self._turn.release()
                    yield block
        finally:
            if holds:
                self._turn.release()

    def stop(self) -> None:
        """End what runs on other threads as soon as it can be ended."""
        self._executor.stop()

    def close(self) -> None:
        """Free what the executor holds."""
        self._executor.close()


class InOrder(BatchListener):
    """Passes on what is said of slides that run at once as if each ran after the one before.

    Warnings about a slide that has not been announced wait for that.

    Parameters
    ----------
    listener : BatchListener
        Is called for one slide at a time.
    """

    def __init__(self, listener: BatchListener) -> None:
        self._listener = listener
        self._lock = threading.RLock()
        self._current: Path | None = None
        self._held: dict[Path, list[str]] = {}

    def begin(self, path: Path) -> None:
        """Announce a slide, and what has been said of it so far."""
        with self._lock:
            self._listener.begin(path)
            self._current = path
            for line in self._held.pop(path, ()):
                self._listener.warning(path, line)

    def progress(self, path: Path, progress: Progress) -> None:
        """Pass on the progress of the slide that was announced."""
        with self._lock:
            if path == self._current:
                self._listener.progress(path, progress)

    def warning(self, path: Path, line: str) -> None:
        """Pass on a warning, or keep it until its slide is announced."""
        with self._lock:
            if path == self._current:
                self._listener.warning(path, line)
            else:
                self._held.setdefault(path, []).append(line)
