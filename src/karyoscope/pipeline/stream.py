"""The loop: windows are read, run and pieced together, and nuclei come out block by block.

Reading and the network run in a thread each; post-processing runs in the caller's. Memory holds
the windows that two rows of blocks need, never the slide and never all nuclei.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import numpy as np

from karyoscope.errors import KaryoscopeError
from karyoscope.inference import Maps, Model
from karyoscope.nuclei import Nuclei
from karyoscope.pipeline.area import Area
from karyoscope.pipeline.blocks import Block, Box, Layout, Window
from karyoscope.pipeline.mosaic import Mosaic
from karyoscope.postprocessing import postprocess
from karyoscope.slides import Slide

_READ_AHEAD = 2

ReadWindow = Callable[[int, int, int, int, float | None], np.ndarray]
"""x, y, width and height on the grid of an mpp -> (height, width, 3) uint8."""


@dataclass
class Progress:
    """How far a run is, and where its time went.

    Attributes
    ----------
    blocks_done, blocks : int
    seconds : dict of str to float
        Busy time of each stage; the stages overlap, so they add up to more than the run took.
    oversized : int
        Nuclei that reach beyond what their block read: their outline is cut there.
    analysed_px : float
        Pixels of level 0 that were analysed.
    """

    blocks: int = 0
    blocks_done: int = 0
    seconds: dict[str, float] = field(
        default_factory=lambda: {"reading": 0.0, "inference": 0.0, "postprocessing": 0.0}
    )
    oversized: int = 0
    analysed_px: float = 0.0

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Add the duration of the ``with`` block to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            elapsed = time.perf_counter() - start
            self.seconds[stage] = self.seconds.get(stage, 0.0) + elapsed


def stream_nuclei(
    slide: Slide,
    model: Model,
    layout: Layout,
    area: Area,
    progress: Progress,
    read: ReadWindow | None = None,
) -> Iterator[Nuclei]:
    """Segment a slide block by block.

    Parameters
    ----------
    slide : Slide
    model : Model
    layout : Layout
        Over ``area.grid``, which is ``slide.grid(model.mpp)``.
    area : Area
        What is analysed; blocks without any of it are left out.
    progress : Progress
        Updated as blocks are done.
    read : callable, optional
        In place of ``slide.read``.

    Yields
    ------
    Nuclei
        Of one block, in pixels of level 0, ids from 1 on over the whole slide.

    Raises
    ------
    KaryoscopeError
        If the slide cannot be read, or the engine fails; names the region.
    """
    plan = _plan(layout, area)
    progress.blocks = len(plan)
    grid = area.grid
    grid_mpp = slide.mpp * float(np.sqrt(grid.scale_x * grid.scale_y))
    mosaic = Mosaic(model.bundle.card.maps)
    found = 0
    windows = (window for step in plan for window in step.fresh)
    with _run_windows(slide, model, windows, read or slide.read, progress) as maps:
        for step in plan:
            for window in step.fresh:
                mosaic.put(window, next(maps))
            with progress.time("postprocessing"):
                pieces = mosaic.assemble(step.block.read, step.windows)
                owned = _nuclei_of(step.block, pieces, model, grid_mpp)
            mosaic.drop(step.spent)
            progress.oversized += _count_cut(owned, step.block.read, layout.bounds)
            nuclei = area.keep(owned.onto(grid.scale_x, grid.scale_y, slide.mpp))
            nuclei = nuclei.renumber(found + 1)
            found += len(nuclei)
            progress.blocks_done += 1
            progress.analysed_px += step.analysed_px
            yield nuclei


@dataclass(frozen=True)
class _Step:
    """One block, the windows it needs, those to run before it, and those to forget after it."""

    block: Block
    analysed_px: float
    windows: list[Window]
    fresh: list[Window]
    spent: list[Window]


def _plan(layout: Layout, area: Area) -> list[_Step]:
    """Order of the work: a window is held from its first block to its last.

    Only a window between two bands is run twice: it would be held for a whole band.
    """
    measured = ((block, area.measure(block.own)) for block in layout.blocks())
    blocks = [(block, pixels) for block, pixels in measured if pixels > 0]
    needs = [layout.windows(block.read) for block, _ in blocks]
    uses: dict[Window, list[int]] = {}
    for step, windows in enumerate(needs):
        for window in windows:
            uses.setdefault(window, []).append(step)
    patience = 2 * layout.band
    plan = []
    for step, ((block, pixels), windows) in enumerate(zip(blocks, needs, strict=True)):
        fresh, spent = [], []
        for window in windows:
            at = uses[window].index(step)
            before, after = uses[window][:at][-1:], uses[window][at + 1 : at + 2]
            if not before or step - before[0] > patience:
                fresh.append(window)
            if not after or after[0] - step > patience:
                spent.append(window)
        plan.append(_Step(block, pixels, windows, fresh, spent))
    return plan


@contextmanager
def _run_windows(
    slide: Slide,
    model: Model,
    windows: Iterable[Window],
    read: ReadWindow,
    progress: Progress,
) -> Iterator[Iterator[Maps]]:
    """Maps of the planned windows, in order; the next ones are read and run meanwhile."""

    def read_pixels(box: Box) -> np.ndarray:
        with progress.time("reading"):
            return read(box.left, box.top, box.width, box.height, model.mpp)

    def run(box: Box, pixels: Future[np.ndarray]) -> Maps:
        rgb = pixels.result()
        with progress.time("inference"):
            try:
                return model.predict(rgb)
            except KaryoscopeError as error:
                place = f"{box.left},{box.top},{box.width},{box.height} at {model.mpp:g} µm/px"
                raise KaryoscopeError(f"{slide.path or slide.name}, {place}: {error}") from error

    def results() -> Iterator[Maps]:
        ahead: deque[Future[Maps]] = deque()
        for window in windows:
            pixels = reading.submit(read_pixels, window.read)
            ahead.append(inferring.submit(run, window.read, pixels))
            if len(ahead) > _READ_AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()

    with ExitStack() as stack:
        reading, inferring = ThreadPoolExecutor(1, "read"), ThreadPoolExecutor(1, "infer")
        for executor in (inferring, reading):
            # After an error or an interruption, what is still waiting is not begun.
            stack.callback(executor.shutdown, cancel_futures=True)
        yield results()


def _nuclei_of(block: Block, maps: Maps, model: Model, grid_mpp: float) -> Nuclei:
    """Nuclei that a block owns, in pixels of the grid."""
    spec = model.bundle.card.postprocessing
    nuclei = postprocess(spec.name, maps, spec.params, model.taxonomy, grid_mpp)
    own = block.own
    nuclei = nuclei.shift(block.read.left, block.read.top)
    return nuclei.crop(own.left, own.top, own.width, own.height)


def _count_cut(nuclei: Nuclei, read: Box, bounds: Box) -> int:
    """Nuclei that touch an edge of what was read which is not an edge of the slide."""
    if not len(nuclei):
        return 0
    starts = nuclei.offsets[:-1]
    low = np.minimum.reduceat(nuclei.vertices, starts, axis=0)
    high = np.maximum.reduceat(nuclei.vertices, starts, axis=0)
    cut = np.zeros(len(nuclei), bool)
    if read.left > bounds.left:
        cut |= low[:, 0] <= read.left
    if read.top > bounds.top:
        cut |= low[:, 1] <= read.top
    if read.right < bounds.right:
        cut |= high[:, 0] >= read.right
    if read.bottom < bounds.bottom:
        cut |= high[:, 1] >= read.bottom
    return int(cut.sum())
