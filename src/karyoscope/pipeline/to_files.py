"""Segment one slide and write its files."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import Any

from karyoscope.core.nuclei import Nuclei
from karyoscope.export import ExportContext, RunReport, open_writers
from karyoscope.export.base import Reader
from karyoscope.features import feature_columns
from karyoscope.inference import Model
from karyoscope.pipeline.executor import Executor, LocalExecutor
from karyoscope.pipeline.measuring import Measure, Measuring, Sink
from karyoscope.pipeline.options import SegmentOptions
from karyoscope.pipeline.preview import write_preview
from karyoscope.pipeline.progress import Progress
from karyoscope.pipeline.reading import LenientReader
from karyoscope.pipeline.runs.failures import Failures, regions
from karyoscope.pipeline.runs.run import Run
from karyoscope.pipeline.stains.inputs import model_input
from karyoscope.pipeline.stains.stain import Stain
from karyoscope.pipeline.tiling.area import area_of
from karyoscope.pipeline.tiling.plan import MARGIN_UM, layout_for, wanted_blocks
from karyoscope.pipeline.tiling.report import BlockReport
from karyoscope.report import slide_page
from karyoscope.slides import Slide, open_slide

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
    options : SegmentOptions, optional
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
    return execute(Run(path, out, model, options), executor or LocalExecutor(), watch)


def execute(run: Run, executor: Executor, watch: Watch = lambda progress: None) -> dict[str, Any]:
    """Carry a run out, from where an earlier one like it was stopped.

    Parameters and errors are those of :func:`segment_file`.

    Returns
    -------
    dict
        The content of ``<stem>.summary.json``.
    """
    model, options = run.model, run.options
    with open_slide(run.path, options.mpp) as slide:
        context = _context(slide, model, LenientReader(slide).read, options)
        measure = Measure(options.features, context, slide, options.radius_um)
        progress, failures = Progress(), Failures()
        with progress.time("export"):
            settings, replace = run.settings, run.may_replace()
            writers = open_writers(run.out, run.name, options.formats, context, replace)
        journal = None
        try:
            spool = writers.summary.path.with_name(f"{run.name}.unmeasured.parquet")
            with writers, Measuring(writers, measure, spool, context) as measuring:
                area = area_of(slide, model.mpp, options.roi, options.tissue)
                layout = layout_for(model, area)
                wanted = wanted_blocks(layout, area)
                if options.preview:
                    write_preview(run.out, slide, area, layout, wanted)
                if len(wanted) > 1:
                    journal = run.journal(slide)
                assert options.stain is None or isinstance(options.stain, Stain)
                shown = model_input(slide, model, options.stain)
                blocks = run.blocks(shown, layout, area, wanted, journal, executor, progress)
                _write(blocks, measuring, failures, progress, watch)
                writers.report(_run_report(context, progress, failures, settings))
        except BaseException:
            if journal is not None and (failures.all_failed or not journal.done()):
                journal.remove()
            raise
        if journal is not None:
            journal.finish() if failures else journal.remove()
        return writers.summary.summary()


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
        for nuclei, report in blocks:
            progress.add(report)
            failures.add(report)
            with progress.time("export"):
                writers.write(nuclei.renumber(found + 1))
            found += len(nuclei)
            watch(progress)
    failures.raise_if_all_failed()
    with progress.time("export"):
        writers.finish()


def _run_report(
    context: ExportContext, progress: Progress, failures: Failures, settings: dict[str, Any]
) -> RunReport:
    """Collect what only the end of the run knows."""
    warnings = list(failures.warnings())
    if progress.oversized:
        warnings.append(
            f"{progress.oversized} nuclei are longer than {MARGIN_UM:g} µm: they may be cut or"
            " counted twice at a block's edge"
        )
    return RunReport(
        analysed_mm2=progress.analysed_px * context.mpp_x * context.mpp_y * 1e-6,
        seconds=dict(progress.seconds),
        unread_regions=regions(failures.unread),
        failed_regions=regions(failures.failed),
        settings=settings,
        warnings=warnings,
    )


def _context(slide: Slide, model: Model, read: Reader, options: SegmentOptions) -> ExportContext:
    card = model.bundle.card
    columns = feature_columns(options.features, model.taxonomy, options.radius_um)
    return ExportContext(
        slide=slide.path.name if slide.path else slide.name,
        size=slide.size,
        mpp=slide.mpp,
        taxonomy=model.taxonomy,
        model=card.name,
        model_version=card.version,
        model_licence=card.licence,
        mpp_axes=slide.mpp_xy,
        scanned_from=slide.bounds[:2],
        read=read,
        page=slide_page,
        measurements=tuple(feature.name for feature in columns),
    )
