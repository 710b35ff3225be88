"""Nuclei in memory as files, and as AnnData with the slide they are of."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.formats import WRITERS, ExportContext, Writer, frames
from karyoscope.pipeline.reading import LenientReader
from karyoscope.report import slide_page
from karyoscope.slides import Slide, open_slide


def save(nuclei: Nuclei, path: str | Path, image: Any = None, *, overwrite: bool = False) -> Path:
    """Write one file; see :meth:`karyoscope.Nuclei.save`."""
    path = Path(path)
    writer = _writer_of(path)
    existing = [file for file in writer.paths(path) if file.exists()]
    if existing and not overwrite:
        raise KaryoscopeError(f"{existing[0]} exists; use --overwrite to replace it")
    with ExitStack() as stack:
        slide = None if image is None else _opened(stack, image, nuclei)
        stem = path.name.removesuffix(writer.suffix)
        context = _context_of(nuclei, slide, stem)
        with writer(path, context) as output:
            if len(nuclei):
                output.write(nuclei)
    return path


def to_anndata(nuclei: Nuclei, image: Any = None) -> Any:
    """Return nuclei as AnnData; see :meth:`karyoscope.Nuclei.to_anndata`."""
    if image is None:
        return frames.to_anndata(nuclei)
    with ExitStack() as stack:
        slide = _opened(stack, image, nuclei)
        return frames.to_anndata(nuclei, _context_of(nuclei, slide, "slide"))


def _writer_of(path: Path) -> type[Writer]:
    """Format with the longest suffix that a name ends in."""
    fitting = [w for w in WRITERS.values() if path.name.lower().endswith(w.suffix)]
    if not fitting:
        known = ", ".join(writer.suffix for writer in WRITERS.values())
        raise KaryoscopeError(
            f"{path}: the end of the name is that of no format; names end in {known}"
        )
    return max(fitting, key=lambda writer: len(writer.suffix))


def _opened(stack: ExitStack, image: Any, nuclei: Nuclei) -> Slide:
    if isinstance(image, Slide):
        return image
    return stack.enter_context(open_slide(image, override_mpp=nuclei.mpp))


def _context_of(nuclei: Nuclei, slide: Slide | None, stem: str) -> ExportContext:
    columns = tuple(nuclei.measurements)
    if slide is None:
        reach = np.ceil(nuclei.vertices.max(0, initial=1)).astype(int)
        size = int(reach[0]), int(reach[1])
        return ExportContext(stem, size, nuclei.mpp, nuclei.taxonomy, measurements=columns)
    return ExportContext(
        slide=slide.path.name if slide.path else stem,
        size=slide.size,
        mpp=slide.mpp,
        taxonomy=nuclei.taxonomy,
        mpp_source=slide.mpp_source,
        mpp_axes=slide.mpp_xy,
        scanned_from=slide.bounds[:2],
        white_point=slide.white_point,
        read=LenientReader(slide).read,
        page=slide_page,
        measurements=columns,
    )
