"""The loop: windows are read, run and pieced together, and nuclei come out block by block.

The network runs in threads of its own, reading in others; post-processing runs in the caller's, or
in several, whose blocks come in order. Memory holds the windows that two rows of blocks need and
the blocks in work, never the slide and never all nuclei.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.process import give_back_memory
from karyoscope.inference import Maps, Model
from karyoscope.pipeline.progress import Progress
from karyoscope.pipeline.reading import LenientReader
from karyoscope.pipeline.stream.parallel import Threads, in_order, threads_for
from karyoscope.pipeline.stream.retry import Running, run_with_retry
from karyoscope.pipeline.stream.windows import ReadWindow, run_windows
from karyoscope.pipeline.tiling.area import Area
from karyoscope.pipeline.tiling.blocks import Block, Box, Layout, Window
from karyoscope.pipeline.tiling.mosaic import Mosaic
from karyoscope.pipeline.tiling.plan import Step, plan_blocks
from karyoscope.pipeline.tiling.report import BlockReport
from karyoscope.postprocessing import postprocess
from karyoscope.slides import Slide

_Done = tuple[Step, Nuclei, BlockReport]


def stream_nuclei(
    slide: Slide,
    model: Model,
    layout: Layout,
    area: Area,
    progress: Progress,
    read: ReadWindow | None = None,
    threads: Threads | None = None,
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
    threads : Threads, optional
        Threads beside the network; by default as many as suit the engine and this machine.

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
    expect_windows(model, layout)
    progress.blocks = len(plan)
    threads = threads or threads_for(model.engine)
    found = 0

    def maps_of(windows: Sequence[Window]) -> Running:
        return run_windows(slide, model, windows, read or slide.read, progress, threads.reading)

    with closing(run_with_retry(maps_of, _fresh(plan), max_consecutive_failures=0)) as maps:
        jobs = _jobs(slide, model, layout, area, progress, plan, maps)
        with closing(in_order(jobs, threads.postprocessing, "block")) as blocks:
            for _, nuclei, report in blocks:
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
    threads: Threads | None = None,
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
    threads : Threads, optional
        See :func:`stream_nuclei`.

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
        expect_windows(model, layout)
    reader, progress = reader or LenientReader(slide), progress or Progress()
    threads = threads or threads_for(model.engine)

    def maps_of(windows: Sequence[Window]) -> Running:
        return run_windows(slide, model, windows, reader.read, progress, threads.reading)

    with closing(run_with_retry(maps_of, _fresh(plan))) as maps:
        jobs = _jobs(slide, model, layout, area, progress, plan, maps)
        with closing(in_order(jobs, threads.postprocessing, "block")) as blocks:
            for step, nuclei, report in blocks:
                unread = reader.unread_in([window.read for window in step.windows], model.mpp)
                report = replace(report, unread=unread, read_any=reader.read_any)
                yield step.index, nuclei.renumber(), report


def expect_windows(model: Model, layout: Layout) -> None:
    """Tell the model the size of all windows of a slide, whichever are run."""
    rows, columns = layout.rows, layout.columns
    model.expect(rows.length, columns.length, len(rows.starts) * len(columns.starts))
    give_back_memory()  # that compiling the network has freed


def _fresh(plan: Sequence[Step]) -> list[Window]:
    return [window for step in plan for window in step.fresh]


def _jobs(
    slide: Slide,
    model: Model,
    layout: Layout,
    area: Area,
    progress: Progress,
    plan: Sequence[Step],
    maps: Iterator[Maps | KaryoscopeError],
) -> Iterator[Callable[[], _Done]]:
    """What is left to do for planned blocks, given the maps, or errors, of their windows in order.

    A job holds the windows of its block, so that it can be done while later windows come and go.
    """
    grid = area.grid
    grid_mpp = slide.mpp * float(np.sqrt(grid.scale_x * grid.scale_y))
    mosaic = Mosaic(model.bundle.card.maps)
    lost: dict[Window, KaryoscopeError] = {}

    def without_nuclei(step: Step, error: KaryoscopeError) -> _Done:
        nuclei = Nuclei.empty(model.taxonomy, slide.mpp)
        failed = area.on_slide(step.block.own), str(error)
        return step, nuclei, BlockReport(0.0, 0.0, failed=failed)

    def with_nuclei(step: Step, held: Mosaic) -> _Done:
        with progress.time("postprocessing"):
            pieces = held.assemble(step.block.read, step.windows, step.blank)
            owned = _nuclei_of(step.block, pieces, model, grid_mpp)
            owned = _apart_from(owned, [window.core for window in step.blank])
        cut = _count_cut(owned, step.block.read, layout.bounds)
        nuclei = area.keep(owned.onto(grid.scale_x, grid.scale_y, slide.mpp))
        return step, nuclei, BlockReport(step.analysed_px, step.tissue_px, cut)

    for step in plan:
        for window in step.fresh:
            result = next(maps)
            if isinstance(result, KaryoscopeError):
                lost[window] = result
            else:
                mosaic.put_core(window, result)
        failed = [lost[window] for window in step.windows if window in lost]
        if failed:
            job = partial(without_nuclei, step, failed[0])
        else:
            job = partial(with_nuclei, step, mosaic.only(step.windows))
        for window in step.spent:
            if lost.pop(window, None) is None:
                mosaic.drop([window])
        for window, top in step.cut:
            if window not in lost:
                mosaic.cut(window, top)
        yield job


def _nuclei_of(block: Block, maps: Maps, model: Model, grid_mpp: float) -> Nuclei:
    """Nuclei that a block owns, in pixels of the grid."""
    spec = model.bundle.card.postprocessing
    nuclei = postprocess(spec.name, maps, spec.params, model.taxonomy, grid_mpp)
    own = block.own
    nuclei = nuclei.shift(block.read.left, block.read.top)
    return nuclei.crop(own.left, own.top, own.width, own.height)


def _apart_from(nuclei: Nuclei, boxes: Sequence[Box]) -> Nuclei:
    """Leave out nuclei that touch a part where the network was not run: they may be cut there."""
    if not len(nuclei) or not boxes:
        return nuclei
    low, high = _extents(nuclei)
    kept = np.ones(len(nuclei), bool)
    for box in boxes:
        # Outlines run through the midpoints of the edges of pixels.
        kept &= (
            (high[:, 0] < box.left - 1)
            | (low[:, 0] > box.right + 1)
            | (high[:, 1] < box.top - 1)
            | (low[:, 1] > box.bottom + 1)
        )
    return nuclei if kept.all() else nuclei.take(kept)


def _extents(nuclei: Nuclei) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest x and y of each nucleus; there must be one."""
    starts = nuclei.offsets[:-1]
    return (
        np.minimum.reduceat(nuclei.vertices, starts, axis=0),
        np.maximum.reduceat(nuclei.vertices, starts, axis=0),
    )


def _count_cut(nuclei: Nuclei, read: Box, bounds: Box) -> int:
    """Nuclei that touch an edge of what was read which is not an edge of the slide."""
    if not len(nuclei):
        return 0
    low, high = _extents(nuclei)
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
