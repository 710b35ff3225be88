"""The loop: windows are read, run and pieced together, and nuclei come out block by block.

Reading and the network run in a thread each; post-processing runs in the caller's. Memory holds
the windows that two rows of blocks need, never the slide and never all nuclei.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.inference import Maps, Model
from karyoscope.pipeline.progress import Progress
from karyoscope.pipeline.reading import LenientReader
from karyoscope.pipeline.retry import Running, run_with_retry
from karyoscope.pipeline.tiling.area import Area
from karyoscope.pipeline.tiling.blocks import Block, Box, Layout, Window
from karyoscope.pipeline.tiling.mosaic import Mosaic, core_of
from karyoscope.pipeline.tiling.plan import Step, plan_blocks
from karyoscope.pipeline.tiling.report import BlockReport
from karyoscope.postprocessing import postprocess
from karyoscope.slides import Slide

_READ_AHEAD = 2

ReadWindow = Callable[[int, int, int, int, float | None], np.ndarray]
"""x, y, width and height on the grid of an mpp -> (height, width, 3) uint8."""


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
        Slide to analyse.
    model : Model
        Model that finds the nuclei.
    layout : Layout
        Over ``area.grid``, which is ``slide.grid(model.mpp)``.
    area : Area
        Area that is analysed; blocks without any of it are left out.
    progress : Progress
        Updated as blocks are done.
    read : callable, optional
        Function called in place of ``slide.read``.

    Yields
    ------
    Nuclei
        Nuclei of one block, in pixels of level 0, ids from 1 on over the whole slide.

    Raises
    ------
    KaryoscopeError
        If the slide cannot be read, or the engine fails twice; names the region.
    """
    plan = plan_blocks(layout, area)
    _expect(model, layout)
    progress.blocks = len(plan)
    found = 0

    def maps_of(windows: Sequence[Window]) -> Running:
        return _run_windows(slide, model, windows, read or slide.read, progress)

    with closing(run_with_retry(maps_of, _fresh(plan), max_consecutive_failures=0)) as maps:
        for _, nuclei, report in _blocks(slide, model, layout, area, progress, plan, maps):
            nuclei = nuclei.renumber(found + 1)
            found += len(nuclei)
            progress.add(report)
            yield nuclei


def run_blocks(
    slide: Slide,
    model: Model,
    layout: Layout,
    area: Area,
    indices: Collection[int] | None = None,
    reader: LenientReader | None = None,
    progress: Progress | None = None,
) -> Generator[tuple[int, Nuclei, BlockReport]]:
    """Segment blocks of a slide; failures are recorded and the other blocks processed.

    A block gives the same nuclei whichever others are run. Where the slide cannot be read it is
    white; where the engine fails twice on a window, the blocks that need it have no nuclei. The
    report of a block names both.

    Parameters
    ----------
    slide, model, layout, area : Slide, Model, Layout, Area
        See :func:`stream_nuclei`.
    indices : collection of int, optional
        Places of the blocks among ``layout.blocks()``; all by default. Blocks without any of the
        area are left out.
    reader : LenientReader, optional
        Reads the slide where it is damaged; by default one is made.
    progress : Progress, optional
        Takes the seconds of each stage; blocks are counted by the caller.

    Yields
    ------
    index : int
        Place of the block among all; blocks come in ascending order.
    nuclei : Nuclei
        Nuclei of the block in pixels of level 0, with ids from 1.
    report : BlockReport

    Raises
    ------
    KaryoscopeError
        If the engine fails on several windows in a row.
    """
    plan = plan_blocks(layout, area, indices)
    if plan:
        _expect(model, layout)
    reader, progress = reader or LenientReader(slide), progress or Progress()

    def maps_of(windows: Sequence[Window]) -> Running:
        return _run_windows(slide, model, windows, reader.read, progress)

    with closing(run_with_retry(maps_of, _fresh(plan))) as maps:
        for step, nuclei, report in _blocks(slide, model, layout, area, progress, plan, maps):
            unread = reader.unread_in([window.read for window in step.windows], model.mpp)
            report = replace(report, unread=unread, read_any=reader.read_any)
            yield step.index, nuclei.renumber(), report


def _expect(model: Model, layout: Layout) -> None:
    """Tell the model the size of all windows of a slide, whichever are run."""
    rows, columns = layout.rows, layout.columns
    model.expect(rows.length, columns.length, len(rows.starts) * len(columns.starts))


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
) -> Iterator[tuple[Step, Nuclei, BlockReport]]:
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
                mosaic.put_core(window, result)
        failed = [lost[window] for window in step.windows if window in lost]
        if failed:
            nuclei = Nuclei.empty(model.taxonomy, slide.mpp)
            report = BlockReport(0.0, 0.0, failed=(area.on_slide(step.block.own), str(failed[0])))
        else:
            with progress.time("postprocessing"):
                pieces = mosaic.assemble(step.block.read, step.windows)
                owned = _nuclei_of(step.block, pieces, model, grid_mpp)
            cut = _count_cut(owned, step.block.read, layout.bounds)
            nuclei = area.keep(owned.onto(grid.scale_x, grid.scale_y, slide.mpp))
            report = BlockReport(step.analysed_px, step.tissue_px, cut)
        for window in step.spent:
            if lost.pop(window, None) is None:
                mosaic.drop([window])
        yield step, nuclei, report


@contextmanager
def _run_windows(
    slide: Slide,
    model: Model,
    windows: Iterable[Window],
    read: ReadWindow,
    progress: Progress,
) -> Iterator[Iterator[Maps]]:
    """Cores of the maps of windows, in order; the next ones are read and run meanwhile."""

    def read_pixels(box: Box) -> np.ndarray:
        with progress.time("reading"):
            return read(box.left, box.top, box.width, box.height, model.mpp)

    def run(window: Window, pixels: Future[np.ndarray]) -> Maps:
        box, rgb = window.read, pixels.result()
        with progress.time("inference"):
            try:
                maps = model.predict(rgb)
            except KaryoscopeError as error:
                place = f"{box.left},{box.top},{box.width},{box.height} at {model.mpp:g} µm/px"
                raise KaryoscopeError(f"{slide.path or slide.name}, {place}: {error}") from error
            # Here, since those that wait for their block are twice as large before.
            return core_of(window, maps, model.bundle.card.maps)

    def results() -> Iterator[Maps]:
        ahead: deque[Future[Maps]] = deque()
        for window in windows:
            pixels = reading.submit(read_pixels, window.read)
            ahead.append(inferring.submit(run, window, pixels))
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
