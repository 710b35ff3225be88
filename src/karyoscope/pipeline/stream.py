"""The loop: windows are read, run and pieced together, and nuclei come out block by block.

Reading and the network run in a thread each; post-processing runs in the caller's. Memory holds
the windows that two rows of blocks need, never the slide and never all nuclei.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.inference import Maps, Model
from karyoscope.pipeline.area import Area
from karyoscope.pipeline.blocks import Block, Box, Layout, Window
from karyoscope.pipeline.journal import Facts
from karyoscope.pipeline.mosaic import Mosaic
from karyoscope.pipeline.plan import Step, plan_blocks
from karyoscope.pipeline.reading import LenientReader
from karyoscope.pipeline.steady import Running, run_steadily
from karyoscope.postprocessing import postprocess
from karyoscope.slides import Slide

_READ_AHEAD = 2

ReadWindow = Callable[[int, int, int, int, float | None], np.ndarray]
"""x, y, width and height on the grid of an mpp -> (height, width, 3) uint8."""

RunBlocks = Callable[..., Generator[tuple[int, Nuclei, Facts]]]
"""What :func:`run_blocks` is, and whatever runs the blocks elsewhere."""


@dataclass
class Progress:
    """How far a run is, and where its time went.

    Attributes
    ----------
    blocks_done, blocks : int
    blocks_kept : int
        Of these, the blocks that an earlier run had done.
    seconds : dict of str to float
        Busy time of each stage; the stages overlap, so they add up to more than the run took.
    oversized : int
        Nuclei that reach beyond what their block read: their outline is cut there.
    analysed_px : float
        Pixels of level 0 that were analysed.
    """

    blocks: int = 0
    blocks_done: int = 0
    blocks_kept: int = 0
    seconds: dict[str, float] = field(
        default_factory=lambda: {"reading": 0.0, "inference": 0.0, "postprocessing": 0.0}
    )
    oversized: int = 0
    analysed_px: float = 0.0

    def add(self, facts: Facts) -> None:
        """Count a block that is done."""
        self.blocks_done += 1
        self.oversized += facts.oversized
        self.analysed_px += facts.analysed_px

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
        If the slide cannot be read, or the engine fails twice; names the region.
    """
    plan = plan_blocks(layout, area)
    progress.blocks = len(plan)
    found = 0

    def maps_of(windows: Sequence[Window]) -> Running:
        return _run_windows(slide, model, windows, read or slide.read, progress)

    with closing(run_steadily(maps_of, _fresh(plan), patience=0)) as maps:
        for _, nuclei, facts in _blocks(slide, model, layout, area, progress, plan, maps):
            nuclei = nuclei.renumber(found + 1)
            found += len(nuclei)
            progress.add(facts)
            yield nuclei


def run_blocks(
    slide: Slide,
    model: Model,
    layout: Layout,
    area: Area,
    indices: Collection[int] | None = None,
    reader: LenientReader | None = None,
    progress: Progress | None = None,
) -> Generator[tuple[int, Nuclei, Facts]]:
    """Segment some blocks of a slide, and go on where something fails.

    A block gives the same nuclei whichever others are run. Where the slide cannot be read it is
    white; where the engine fails twice on a window, the blocks that need it have no nuclei. The
    facts of a block tell of both.

    Parameters
    ----------
    slide, model, layout, area
        See :func:`stream_nuclei`.
    indices : collection of int, optional
        Places of the blocks among ``layout.blocks()``; all by default. Blocks without any of the
        area are left out.
    reader : LenientReader, optional
        Of the slide.
    progress : Progress, optional
        Takes the seconds of each stage; blocks are counted by the caller.

    Yields
    ------
    index : int
        In ascending order.
    nuclei : Nuclei
        In pixels of level 0, ids from 1 on in each block.
    facts : Facts

    Raises
    ------
    KaryoscopeError
        If the engine fails on several windows in a row.
    """
    plan = plan_blocks(layout, area, indices)
    reader, progress = reader or LenientReader(slide), progress or Progress()

    def maps_of(windows: Sequence[Window]) -> Running:
        return _run_windows(slide, model, windows, reader.read, progress)

    with closing(run_steadily(maps_of, _fresh(plan))) as maps:
        for step, nuclei, facts in _blocks(slide, model, layout, area, progress, plan, maps):
            unread = reader.unread_in([window.read for window in step.windows], model.mpp)
            facts = replace(facts, unread=unread, read_any=reader.read_any)
            yield step.index, nuclei.renumber(), facts


def _fresh(plan: Sequence[Step]) -> list[Window]:
    return [window for step in plan for window in step.fresh]


def _blocks(
    slide: Slide,
    model: Model,
    layout: Layout,
    area: Area,
    progress: Progress,
    plan: Sequence[Step],
    maps: Iterator[Maps | KaryoscopeError],
) -> Iterator[tuple[Step, Nuclei, Facts]]:
    """Nuclei of planned blocks, from the maps, or the errors, of their windows in order."""
    grid = area.grid
    grid_mpp = slide.mpp * float(np.sqrt(grid.scale_x * grid.scale_y))
    mosaic = Mosaic(model.bundle.card.maps)
    lost: dict[Window, KaryoscopeError] = {}
    for step in plan:
        for window in step.fresh:
            result = next(maps)
            if isinstance(result, KaryoscopeError):
                lost[window] = result
            else:
                mosaic.put(window, result)
        failed = [lost[window] for window in step.windows if window in lost]
        if failed:
            nuclei = Nuclei.empty(model.taxonomy, slide.mpp)
            facts = Facts(0.0, failed=(area.on_slide(step.block.own), str(failed[0])))
        else:
            with progress.time("postprocessing"):
                pieces = mosaic.assemble(step.block.read, step.windows)
                owned = _nuclei_of(step.block, pieces, model, grid_mpp)
            cut = _count_cut(owned, step.block.read, layout.bounds)
            nuclei = area.keep(owned.onto(grid.scale_x, grid.scale_y, slide.mpp))
            facts = Facts(step.analysed_px, cut)
        for window in step.spent:
            if lost.pop(window, None) is None:
                mosaic.drop([window])
        yield step, nuclei, facts


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
