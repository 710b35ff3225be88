"""How far a run is, and where its time went."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from karyoscope.pipeline.tiling.report import BlockReport


class Stopped(Exception):
    """The run of a slide was stopped from another thread."""


@dataclass
class Progress:
    """How far a run is, and where its time went.

    Attributes
    ----------
    blocks_done, blocks : int
    blocks_kept : int
        Blocks among these that an earlier run had done.
    seconds : dict of str to float
        Busy time of each stage; the stages overlap, so they add up to more than the run took.
    oversized : int
        Nuclei that reach beyond what their block read: their outline is cut there.
    analysed_px : float
        Pixels of level 0 that were analysed.
    tissue_px : float
        Analysed pixels that are tissue; NaN where the tissue is not known.
    waited : float
        Seconds for which the run waited for another slide.
    stop : threading.Event
        Is set to end the run before its next window.
    """

    blocks: int = 0
    blocks_done: int = 0
    blocks_kept: int = 0
    seconds: dict[str, float] = field(
        default_factory=lambda: {"reading": 0.0, "inference": 0.0, "postprocessing": 0.0}
    )
    oversized: int = 0
    analysed_px: float = 0.0
    tissue_px: float = 0.0
    waited: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def add(self, report: BlockReport) -> None:
        """Count a block that is done."""
        self.blocks_done += 1
        self.oversized += report.oversized
        self.analysed_px += report.analysed_px
        self.tissue_px += report.tissue_px

    def raise_if_stopped(self) -> None:
        """End the run where that was asked for.

        Raises
        ------
        Stopped
            If :attr:`stop` is set.
        """
        if self.stop.is_set():
            raise Stopped

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Add the duration of the ``with`` block to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            elapsed = time.perf_counter() - start
            with self._lock:
                self.seconds[stage] = self.seconds.get(stage, 0.0) + elapsed
