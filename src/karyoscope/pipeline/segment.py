"""Segment one image: in memory, or to files."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.export import ExportContext, open_writers
from karyoscope.export.base import Reader
from karyoscope.export.summary import SummaryWriter
from karyoscope.features import RADIUS_UM, feature_columns
from karyoscope.inference import Model
from karyoscope.pipeline.area import Area, Roi, area_of
from karyoscope.pipeline.blocks import Layout
from karyoscope.pipeline.gaps import Gaps, regions
from karyoscope.pipeline.journal import Facts
from karyoscope.pipeline.measuring import FEATURES, Measure, Measuring, Sink
from karyoscope.pipeline.prepare import prepare_model
from karyoscope.pipeline.preview import write_preview
from karyoscope.pipeline.reading import LenientReader
from karyoscope.pipeline.resume import (
    go_on,
    may_replace,
    open_journal,
    settings_of,
    wanted_blocks,
)
from karyoscope.pipeline.seen import as_seen
from karyoscope.pipeline.stain import Stain, load_stain
from karyoscope.pipeline.stream import Progress, RunBlocks, run_blocks, stream_nuclei
from karyoscope.slides import Slide, open_slide

#: How far a block reads beyond its own area, µm: more than the longest nucleus.
MARGIN_UM = 32.0

FORMATS = ("geojson", "parquet", "csv", "labels", "overlay")


def segment(
    source: str | Path | np.ndarray,
    mpp: float | None = None,
    model: str | Path | Model = "lizard",
    *,
    device: str = "auto",
    tta: int = 1,
    threads: int = 0,
    roi: Roi | None = None,
    tissue: str | Path = "auto",
    stain: str | Path | Stain | None = None,
) -> Nuclei:
    """Find, outline and classify every nucleus of an image.

    Parameters
    ----------
    source : path or ndarray
        A slide or image file, or an RGB array of shape (h, w, 3).
    mpp : float, optional
        Micrometres per pixel of level 0; needed where the file does not state it.
    model : str, path or Model
        A shipped model by name, a bundle by path, several of them with commas between (their
        maps are averaged), or a loaded model.
    device : {"auto", "cpu", "cuda"}
    tta : int
        Views that are averaged: 1, 2, 4 or 8 (flips and quarter turns), or 16 (each twice, with
        other stains).
    threads : int
        Of the CPU; 0 for all.
    roi : (x, y, width, height), optional
        Only nuclei whose centroid is in this box, in pixels of level 0; they are the same as
        without.
    tissue : {"auto", "none"} or path
        ``auto`` leaves blank glass of large slides out, ``none`` nothing; a GeoJSON file of
        polygons, in pixels of level 0, keeps the nuclei whose centroid is in one of them.
    stain : str, path or Stain, optional
        Shows the image to the model as if it had been stained otherwise; see
        :func:`~karyoscope.pipeline.stain.load_stain`. A model's own stain comes after it.

    Returns
    -------
    Nuclei
        In pixels of level 0 of the input.

    Raises
    ------
    KaryoscopeError
        If the image, its scale or the model cannot be used.

    Examples
    --------
    >>> import karyoscope
    >>> nuclei = karyoscope.segment("slide.svs")  # doctest: +SKIP
    >>> nuclei.counts()  # doctest: +SKIP
    {'neutrophil': 12, 'epithelial': 3410, ...}
    """
    runner = model if isinstance(model, Model) else prepare_model(model, device, threads, tta)
    if stain is not None and not isinstance(stain, Stain):
        stain = load_stain(stain, runner.mpp, threads)
    with open_slide(source, mpp) as slide:
        area = area_of(slide, runner.mpp, roi, tissue)
        seen = as_seen(slide, runner, stain)
        parts = stream_nuclei(seen, runner, layout_for(runner, area), area, Progress())
        return Nuclei.concat([Nuclei.empty(runner.taxonomy, slide.mpp), *parts])


@dataclass(frozen=True)
class SegmentOptions:
    """What to write, and how.

    Attributes
    ----------
    formats : sequence of str
        Keys of :data:`karyoscope.export.WRITERS`.
    overwrite : bool
        Replace outputs that exist.
    roi, tissue
        What to analyse; see :func:`segment`.
    stain : Stain, optional
        What shows the slide to the model as if it had been stained otherwise, before the model's
        own.
    retry_failed : bool
        Of a slide that is finished but has gaps, run again the blocks that have them.
    features : sequence of str
        Groups of :data:`karyoscope.features.GROUPS` that are measured.
    radius_um : float
        Of the circle that local densities are of.
    preview : bool
        Write ``<stem>.preview.jpg`` before the work begins.
    """

    formats: Sequence[str] = FORMATS
    overwrite: bool = False
    roi: Roi | None = None
    tissue: str | Path = "auto"
    retry_failed: bool = False
    stain: Stain | None = None
    features: Sequence[str] = FEATURES
    radius_um: float = RADIUS_UM
    preview: bool = False

    def deciding(self) -> dict[str, Any]:
        """Those that the table of nuclei depends on, by name."""
        beside = ("formats", "overwrite", "retry_failed", "preview")
        options = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in beside}
        return options | {"stain": self.stain.identity if self.stain else None}

    def seen(self, slide: Slide, model: Model) -> Slide:
        """Return the slide as the model is to see it."""
        return as_seen(slide, model, self.stain)


def segment_file(
    path: str | Path,
    out: Path,
    model: Model,
    mpp: float | None = None,
    options: SegmentOptions | None = None,
    watch: Callable[[Progress], None] = lambda progress: None,
    run: RunBlocks = run_blocks,
) -> dict[str, Any]:
    """Segment one slide and write its files.

    Parameters
    ----------
    path : path
        Slide or image.
    out : path
        Folder of the outputs, ``<stem>.<format>``; made where it is missing.
    model : Model
    mpp : float, optional
        Micrometres per pixel of level 0; needed where the file does not state it.
    options : SegmentOptions, optional
    watch : callable
        Called with the progress after each block.
    run : callable
        Runs the blocks: here, or on a cluster.

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
    options = options or SegmentOptions()
    path, out = Path(path), Path(out)
    with open_slide(path, mpp) as slide:
        settings = settings_of(path, model, mpp, options.deciding())
        context = _context(slide, model, LenientReader(slide).read, options)
        measure = Measure(options.features, context, slide, options.radius_um)
        progress, gaps = Progress(), Gaps()
        with progress.time("export"):
            replace = may_replace(path, out, settings, options)
            writers = open_writers(out, slide.name, options.formats, context, replace)
        journal = None
        try:
            spool = writers.summary.path.with_name(f"{slide.name}.unmeasured.parquet")
            with writers, Measuring(writers, measure, spool, context) as measuring:
                area = area_of(slide, model.mpp, options.roi, options.tissue)
                layout = layout_for(model, area)
                wanted = wanted_blocks(layout, area)
                if options.preview:
                    write_preview(out, slide, area, layout, wanted)
                if len(wanted) > 1:
                    journal = open_journal(path, out, settings, slide, model, options)
                seen = options.seen(slide, model)
                blocks = go_on(seen, model, layout, area, wanted, journal, progress, run)
                _write(blocks, measuring, gaps, progress, watch)
                _summarise(writers.summary, progress, gaps, settings)
        except BaseException:
            if journal is not None and (gaps.hopeless or not journal.done()):
                journal.remove()
            raise
        if journal is not None:
            journal.finish() if gaps else journal.remove()
        return writers.summary.summary()


def _write(
    blocks: Generator[tuple[Nuclei, Facts]],
    writers: Sink,
    gaps: Gaps,
    progress: Progress,
    watch: Callable[[Progress], None],
) -> None:
    """Write the nuclei of all blocks, numbered over the slide."""
    found = 0
    with closing(blocks):
        for nuclei, facts in blocks:
            progress.add(facts)
            gaps.add(facts)
            with progress.time("export"):
                writers.write(nuclei.renumber(found + 1))
            found += len(nuclei)
            watch(progress)
    gaps.refuse_nothing()
    with progress.time("export"):
        writers.finish()


def layout_for(model: Model, area: Area) -> Layout:
    """Windows and blocks of an area at a model's scale."""
    margin = round(MARGIN_UM / model.mpp)
    grid = area.grid
    return Layout(grid.width, grid.height, model.context, margin, within=area.on_grid)


def _summarise(
    summary: SummaryWriter, progress: Progress, gaps: Gaps, settings: dict[str, Any]
) -> None:
    """Tell the summary what only the run knows."""
    context = summary.context
    summary.analysed_mm2 = progress.analysed_px * context.mpp_x * context.mpp_y * 1e-6
    summary.seconds = progress.seconds
    summary.run = settings
    summary.unread_regions = regions(gaps.unread)
    summary.failed_regions = regions(gaps.failed)
    summary.warnings += gaps.warnings()
    if progress.oversized:
        summary.warnings.append(
            f"{progress.oversized} nuclei are longer than {MARGIN_UM:g} µm: they may be cut or"
            " counted twice at a block's edge"
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
        measurements=tuple(feature.name for feature in columns),
    )
