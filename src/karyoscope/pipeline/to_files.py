"""Segment one slide and write its files."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.process import give_back_memory
from karyoscope.core.remarks import warn
from karyoscope.core.text import for_terminal
from karyoscope.features import feature_columns
from karyoscope.formats import ExportContext, RunReport, open_writers
from karyoscope.formats.context import Reader
from karyoscope.formats.rounding import rounded
from karyoscope.inference import Model
from karyoscope.inference.readme import model_notes
from karyoscope.pipeline.arguments import check_arguments
from karyoscope.pipeline.executor import Executor, LocalExecutor
from karyoscope.pipeline.measures.counting import Counting, own_boxes, regions_of
from karyoscope.pipeline.measures.measuring import Measure, Measuring
from karyoscope.pipeline.measures.quality import FaultTally, quality_of, sound_area
from karyoscope.pipeline.measures.sink import Sink
from karyoscope.pipeline.measures.spatial import SpatialScores
from karyoscope.pipeline.options import SegmentOptions
from karyoscope.pipeline.preview import write_preview
from karyoscope.pipeline.progress import Progress
from karyoscope.pipeline.reading import LenientReader
from karyoscope.pipeline.runs.failures import Failures, regions
from karyoscope.pipeline.runs.identity import run_id
from karyoscope.pipeline.runs.run import Run
from karyoscope.pipeline.slide_warnings import SlideWarnings
from karyoscope.pipeline.stains.inputs import model_input
from karyoscope.pipeline.stains.stain import Stain
from karyoscope.pipeline.stream.parallel import threads_for
from karyoscope.pipeline.tiling.area import Area, asked_area, whole_of, with_tissue
from karyoscope.pipeline.tiling.blocks import Box
from karyoscope.pipeline.tiling.plan import MARGIN_UM, layout_for, wanted_blocks
from karyoscope.pipeline.tiling.report import BlockReport
from karyoscope.report import slide_page
from karyoscope.slides import Slide, open_slide

#: Decoded tiles that are kept: windows of neighbouring columns share some, and those of
#: neighbouring rows are too far apart on large slides, whatever is kept.
_CACHE_BYTES = 32 << 20

#: Blocks after which freed memory is given back: it is scattered, and grows from block to block.
_GIVE_BACK_EVERY = 8

Watch = Callable[[Progress], None]
"""Called with the progress after each block."""


def segment_file(
    path: str | Path,
    out: str | Path,
    model: Model,
    options: SegmentOptions | None = None,
    *,
    watch: Watch = lambda progress: None,
    executor: Executor | None = None,
) -> dict[str, Any]:
    """Segment one slide and write its files.

    Parameters
    ----------
    path : path
        Slide or image.
    out : path
        Folder of the outputs, ``<stem>.<format>``; made where it is missing.
    model : Model
        Model that finds the nuclei.
    options : SegmentOptions, optional
        Settings of the run.
    watch : callable
        Called with the progress after each block.
    executor : Executor, optional
        Runs the blocks; by default they are run here.

    Returns
    -------
    dict
        The content of ``<stem>.summary.json``. Its ``unread_regions`` are the places that are
        damaged; they hold no nuclei.

    Raises
    ------
    KaryoscopeError
        If nothing of the slide can be read, the engine fails or the outputs cannot be written; no
        output is left behind.
    """
    if options is not None:
        check_arguments(path, options.mpp, options.roi, options.tissue)
        check_arguments(path, options.override_mpp, None)
    run = Run(path, out, model, options)
    with SlideWarnings(lambda path, line: None) as heard, heard.of(run.path):
        try:
            summary = execute(
                run, executor or LocalExecutor(), watch, lambda: heard.lines(run.path)
            )
        finally:
            lines = heard.lines(run.path)
    for line in lines:
        warn(line, stacklevel=2)
    return summary


def execute(
    run: Run,
    executor: Executor,
    watch: Watch = lambda progress: None,
    heard: Callable[[], Sequence[str]] = tuple,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Carry a run out, from where an earlier one like it was stopped.

    Parameters
    ----------
    run : Run
    executor : Executor
    watch : callable
        Called with the progress after each block.
    heard : callable
        Gives the warnings so far about the slide, which the summary is to hold.
    progress : Progress, optional
        Is kept up to date; through it, the run can be stopped from another thread.

    Errors are those of :func:`segment_file`.

    Returns
    -------
    dict
        The content of ``<stem>.summary.json``.
    """
    model, options = run.model, run.options
    with (
        open_slide(run.path, options.mpp, options.override_mpp, scene=options.scene) as slide,
        run.locked() as lock,
    ):
        settings = run.settings
        slide.cache_bytes = _CACHE_BYTES
        read = LenientReader(slide).read
        asked = asked_area(slide, model.mpp, options.roi, options.tissue)
        executor.expect(model, layout_for(model, asked))
        whole = with_tissue(slide, asked, options.tissue)
        quality = quality_of(slide, whole) if options.quality else None
        give_back_memory()  # of the pictures in which both were looked for
        area = sound_area(whole, quality, options.exclude)
        regions = regions_of(options.annotations, slide)
        context = replace(
            _context(slide, model, read, options, run_id(settings)),
            regions=regions,
            shown=area.shown.corner_and_size if area.shown != whole_of(slide) else None,
            outline=area.rings(),
        )
        measure = Measure(
            options.features, context, slide, options.radius_um, quality, options.expansion_um
        )
        faults = FaultTally(quality, whole, options.exclude, slide.mpp_xy)
        spatial = SpatialScores(context, options.radius_um, options.spatial)
        progress, failures = progress or Progress(), Failures()
        threads = threads_for(model.engine, executor.threads).writing
        with progress.time("export"):
            writers = open_writers(
                run.out, run.name, options.written_formats, context, run.may_replace(), threads
            )
        counting = Counting(writers, context)
        journal = None
        try:
            spool = writers.summary.path.with_name(f"{run.name}.unmeasured.parquet")
            with writers, Measuring(counting, measure, spool, context) as measuring:
                layout = layout_for(model, area)
                wanted = wanted_blocks(layout, area)
                if options.preview:
                    write_preview(run.out, slide, area, layout, wanted)
                if len(wanted) > 1:
                    journal = run.journal(slide)
                assert options.stain is None or isinstance(options.stain, Stain)
                shown = model_input(slide, model, options.stain)
                blocks = run.blocks(shown, layout, area, wanted, journal, executor, progress)
                owned = own_boxes(layout, wanted)
                analysed = _noting(blocks, owned, area, counting, faults, spatial)
                _write(analysed, measuring, failures, progress, watch)
                lines = [*heard(), *faults.warnings()]
                known = _run_report(context, progress, failures, settings, lines)
                mask = None if area.mask is None else (area.mask.packed, area.mask.scale)
                known = replace(known, quality=faults.rows(), faults=faults.masks)
                with progress.time("export"):
                    rows = spatial.with_regions(counting.rows())
                    known = replace(known, regions=rows, spatial=spatial.scores())
                writers.report(replace(known, tissue_mask=mask))
                lock.check()
        except BaseException:
            if journal is not None and (failures.all_failed or not journal.done()):
                journal.remove()
            raise
        if journal is not None:
            journal.finish() if failures else journal.remove()
        return writers.summary.summary()


def _noting(
    blocks: Generator[tuple[Nuclei, BlockReport]],
    owned: Iterator[Box],
    area: Area,
    counting: Counting,
    faults: FaultTally,
    spatial: SpatialScores,
) -> Generator[tuple[Nuclei, BlockReport]]:
    """The same blocks, the area of each noted where it was analysed, without what is left out."""
    with closing(blocks):
        for (nuclei, report), own in zip(blocks, owned, strict=True):
            if report.failed is None:
                counting.add_area(area, own)
                faults.add_area(own)
                spatial.add_area(area, own)
            kept = faults.add(rounded(nuclei))
            spatial.add(kept)
            yield kept, report


def _write(
    blocks: Generator[tuple[Nuclei, BlockReport]],
    writers: Sink,
    failures: Failures,
    progress: Progress,
    watch: Watch,
) -> None:
    """Write the nuclei of all blocks, numbered over the slide."""
    found = 0
    with closing(blocks):
        for number, (nuclei, report) in enumerate(blocks, 1):
            if number % _GIVE_BACK_EVERY == 0:
                give_back_memory()
            progress.add(report)
            failures.add(report)
            with progress.time("export"):
                writers.write(nuclei.renumber(found + 1))
            found += len(nuclei)
            watch(progress)
            progress.raise_if_stopped()
    failures.raise_if_all_failed()
    give_back_memory()  # of the last blocks, before pictures are completed
    with progress.time("export"):
        writers.finish()


def _run_report(
    context: ExportContext,
    progress: Progress,
    failures: Failures,
    settings: dict[str, Any],
    heard: Sequence[str],
) -> RunReport:
    """Collect what only the end of the run knows."""
    lines = [*heard, *failures.warnings()]
    if progress.oversized:
        lines.append(
            f"{progress.oversized} nuclei are longer than {MARGIN_UM:g} µm: they may be cut or"
            " counted twice at a block's edge"
        )
    mm2 = context.mpp_x * context.mpp_y * 1e-6
    return RunReport(
        analysed_mm2=progress.analysed_px * mm2,
        tissue_mm2=None if math.isnan(progress.tissue_px) else progress.tissue_px * mm2,
        seconds=dict(progress.seconds),
        unread_regions=regions(failures.unread),
        failed_regions=regions(failures.failed),
        settings=settings,
        warnings=lines,
    )


def _context(
    slide: Slide, model: Model, read: Reader, options: SegmentOptions, run: str
) -> ExportContext:
    card = model.bundle.card
    columns = feature_columns(options.features, model.taxonomy, options.radius_um)
    return ExportContext(
        slide=for_terminal(slide.path.name if slide.path else slide.name),
        size=slide.size,
        mpp=slide.mpp,
        taxonomy=model.taxonomy,
        model=card.name,
        model_version=card.version,
        model_licence=card.licence,
        mpp_source=slide.mpp_source,
        run_id=run,
        mpp_axes=slide.mpp_xy,
        scanned_from=slide.bounds[:2],
        scene="" if options.scene is None else str(options.scene),
        white_point=slide.white_point,
        read=read,
        page=slide_page,
        measurements=tuple(feature.name for feature in columns),
        notes=model_notes(card),
    )
