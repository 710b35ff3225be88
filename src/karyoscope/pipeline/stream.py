"""The loop: windows are read, run and pieced together, and nuclei come out block by block.

Reading and the network run in a thread each; post-processing runs in the caller's. Memory holds
the windows that two rows of blocks need, never the slide and never all nuclei.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from karyoscope.inference import Maps, Model
from karyoscope.nuclei import Nuclei
from karyoscope.pipeline.blocks import Block, Box, Layout, Window
from karyoscope.pipeline.mosaic import Mosaic
from karyoscope.postprocessing import postprocess
from karyoscope.slides import Slide

_READ_AHEAD = 2


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
    analysed_px : int
        Pixels of the model's grid that were analysed.
    """

    blocks: int = 0
    blocks_done: int = 0
    seconds: dict[str, float] = field(
        default_factory=lambda: {"reading": 0.0, "inference": 0.0, "postprocessing": 0.0}
    )
    oversized: int = 0
    analysed_px: int = 0

    def time(self, stage: str) -> _Stopwatch:
        """Context manager that adds its duration to a stage."""
        return _Stopwatch(self.seconds, stage)


class _Stopwatch:
    def __init__(self, seconds: dict[str, float], stage: str) -> None:
        self._seconds, self._stage = seconds, stage

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        elapsed = time.perf_counter() - self._start
        self._seconds[self._stage] = self._seconds.get(self._stage, 0.0) + elapsed


def stream_nuclei(
    slide: Slide,
    model: Model,
    layout: Layout,
    progress: Progress,
    wanted: Callable[[Box], bool] = lambda box: True,
) -> Iterator[Nuclei]:
    """Segment a slide block by block.

    Parameters
    ----------
    slide : Slide
    model : Model
    layout : Layout
        Over ``slide.grid(model.mpp)``.
    progress : Progress
        Updated as blocks are done.
    wanted : callable
        Whether an area of the grid is to be analysed; blocks that are not are left out.

    Yields
    ------
    Nuclei
        Of one block, in pixels of level 0, ids from 1 on over the whole slide.
    """
    plan = _plan(layout, wanted)
    progress.blocks = len(plan)
    grid = slide.grid(model.mpp)
    grid_mpp = slide.mpp * float(np.sqrt(grid.scale_x * grid.scale_y))
    mosaic = Mosaic(model.bundle.card.maps)
    found = 0
    with ThreadPoolExecutor(1, "read") as reading, ThreadPoolExecutor(1, "infer") as inferring:
        windows = (window for step in plan for window in step.fresh)
        maps = _run_windows(slide, model, windows, reading, inferring, progress)
        for step in plan:
            for window in step.fresh:
                mosaic.put(window, next(maps))
            with progress.time("postprocessing"):
                owned = _finish_block(step.block, layout, model, mosaic, grid_mpp, progress)
            mosaic.drop(step.spent)
            nuclei = owned.onto(grid.scale_x, grid.scale_y, slide.mpp).renumber(found + 1)
            found += len(nuclei)
            progress.blocks_done += 1
            progress.analysed_px += step.block.own.width * step.block.own.height
            yield nuclei


@dataclass(frozen=True)
class _Step:
    """One block, the windows to run before it, and those to forget after it."""

    block: Block
    fresh: list[Window]
    spent: list[Window]


def _plan(layout: Layout, wanted: Callable[[Box], bool]) -> list[_Step]:
    """Order of the work: a window is held from its first block to its last.

    Only a window between two bands is run twice: it would be held for a whole band.
    """
    blocks = [block for block in layout.blocks() if wanted(block.own)]
    needs = [layout.windows(block.read) for block in blocks]
    uses: dict[Window, list[int]] = {}
    for step, windows in enumerate(needs):
        for window in windows:
            uses.setdefault(window, []).append(step)
    patience = 2 * layout.band
    plan = []
    for step, (block, windows) in enumerate(zip(blocks, needs, strict=True)):
        fresh, spent = [], []
        for window in windows:
            at = uses[window].index(step)
            before, after = uses[window][:at][-1:], uses[window][at + 1 : at + 2]
            if not before or step - before[0] > patience:
                fresh.append(window)
            if not after or after[0] - step > patience:
                spent.append(window)
        plan.append(_Step(block, fresh, spent))
    return plan


def _run_windows(
    slide: Slide,
    model: Model,
    windows: Iterable[Window],
    reading: ThreadPoolExecutor,
    inferring: ThreadPoolExecutor,
    progress: Progress,
) -> Iterator[Maps]:
    """Maps of the planned windows, in order; the next ones are read and run meanwhile."""

    def read(window: Window) -> np.ndarray:
        box = window.read
        with progress.time("reading"):
            return slide.read(box.left, box.top, box.width, box.height, model.mpp)

    def run(pixels: Future[np.ndarray]) -> Maps:
        rgb = pixels.result()
        with progress.time("inference"):
            return model.predict(rgb)

    ahead: deque[Future[Maps]] = deque()
    for window in windows:
        ahead.append(inferring.submit(run, reading.submit(read, window)))
        if len(ahead) > _READ_AHEAD:
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()


def _finish_block(
    block: Block,
    layout: Layout,
    model: Model,
    mosaic: Mosaic,
    grid_mpp: float,
    progress: Progress,
) -> Nuclei:
    """Nuclei that a block owns, in pixels of the grid."""
    spec = model.bundle.card.postprocessing
    maps = mosaic.assemble(block.read)
    nuclei = postprocess(spec.name, maps, spec.params, model.taxonomy, grid_mpp)
    nuclei = nuclei.shift(block.read.left, block.read.top)
    own = block.own
    owned = nuclei.crop(own.left, own.top, own.width, own.height)
    progress.oversized += _count_cut(owned, block.read, layout.bounds)
    return owned


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
