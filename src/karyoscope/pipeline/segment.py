"""Segment one image: in memory, or to files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from karyoscope.export import ExportContext, open_writers
from karyoscope.inference import Model, load_model
from karyoscope.nuclei import Nuclei
from karyoscope.pipeline.blocks import Box, Layout
from karyoscope.pipeline.stream import Progress, stream_nuclei
from karyoscope.slides import Slide, Tissue, open_slide

#: How far a block reads beyond its own area, µm: more than the longest nucleus.
MARGIN_UM = 32.0
#: Images up to this many grid pixels are analysed whole; looking for tissue would not pay.
_WHOLE_PX = 8_000_000

FORMATS = ("geojson", "parquet", "csv", "labels", "overlay")


def segment(
    source: str | Path | np.ndarray,
    mpp: float | None = None,
    model: str | Path | Model = "lizard",
    *,
    device: str = "auto",
    tta: int = 1,
    threads: int = 0,
) -> Nuclei:
    """Find, outline and classify every nucleus of an image.

    Parameters
    ----------
    source : path or ndarray
        A slide or image file, or an RGB array of shape (h, w, 3).
    mpp : float, optional
        Micrometres per pixel of level 0; needed where the file does not state it.
    model : str, path or Model
        A shipped model by name, a bundle by path, or a loaded model.
    device : {"auto", "cpu", "cuda"}
    tta : int
        Views (flips and quarter turns) that are averaged: 1, 2, 4 or 8.
    threads : int
        Of the CPU; 0 for all.

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
    runner = model if isinstance(model, Model) else load_model(model, device, threads, tta)
    with open_slide(source, mpp) as slide:
        layout = layout_for(slide, runner)
        parts = stream_nuclei(slide, runner, layout, Progress(), tissue_filter(slide, runner))
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
    """

    formats: Sequence[str] = FORMATS
    overwrite: bool = False


def segment_file(
    path: str | Path,
    out: Path,
    model: Model,
    mpp: float | None = None,
    options: SegmentOptions | None = None,
    watch: Callable[[Progress], None] = lambda progress: None,
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

    Returns
    -------
    dict
        The content of ``<stem>.summary.json``.

    Raises
    ------
    KaryoscopeError
        If the slide cannot be read or the outputs cannot be written; no output is left behind.
    """
    options = options or SegmentOptions()
    with open_slide(path, mpp) as slide:
        progress = Progress()
        context = _context(slide, model)
        with open_writers(out, slide.name, options.formats, context, options.overwrite) as writers:
            layout = layout_for(slide, model)
            wanted = tissue_filter(slide, model)
            for nuclei in stream_nuclei(slide, model, layout, progress, wanted):
                with progress.time("export"):
                    writers.write(nuclei)
                watch(progress)
            grid = slide.grid(model.mpp)
            pixel_mm2 = grid.scale_x * grid.scale_y * slide.mpp**2 * 1e-6
            writers.summary.analysed_mm2 = progress.analysed_px * pixel_mm2
            writers.summary.seconds = progress.seconds
            if progress.oversized:
                writers.summary.warnings.append(
                    f"{progress.oversized} nuclei are longer than {MARGIN_UM:g} µm and were cut"
                    " at a block's edge"
                )
            return writers.summary.summary()


def layout_for(slide: Slide, model: Model) -> Layout:
    """Windows and blocks of a slide at a model's scale."""
    grid = slide.grid(model.mpp)
    margin = round(MARGIN_UM / model.mpp)
    return Layout(grid.width, grid.height, model.context, margin)


def tissue_filter(slide: Slide, model: Model) -> Callable[[Box], bool]:
    """Which areas of the grid hold tissue; everything does on small images."""
    grid = slide.grid(model.mpp)
    if grid.width * grid.height <= _WHOLE_PX:
        return lambda box: True
    tissue = Tissue.of(slide)

    def holds_tissue(box: Box) -> bool:
        return tissue.contains(
            box.left * grid.scale_x,
            box.top * grid.scale_y,
            box.width * grid.scale_x,
            box.height * grid.scale_y,
        )

    return holds_tissue


def _context(slide: Slide, model: Model) -> ExportContext:
    card = model.bundle.card
    return ExportContext(
        slide=slide.path.name if slide.path else slide.name,
        size=slide.size,
        mpp=slide.mpp,
        taxonomy=model.taxonomy,
        model=card.name,
        model_version=card.version,
        model_licence=card.licence,
        mpp_axes=slide.mpp_xy,
        read=slide.read,
    )
