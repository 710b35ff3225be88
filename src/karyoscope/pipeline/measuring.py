"""Features of nuclei on their way to the files.

Shape and stain are measured block by block. Neighbours may be in a block that comes later, so for
them the nuclei are set aside on disk until all are known; only their centroids stay in memory.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.export import (
    WRITERS,
    ExportContext,
    RunReport,
    iterate_parquet,
    open_writers,
    read_context,
)
from karyoscope.export.parquet import ParquetWriter
from karyoscope.features import (
    RADIUS_UM,
    FeatureContext,
    PixelGrid,
    find_groups,
)
from karyoscope.pipeline.reading import LenientReader
from karyoscope.report import slide_page
from karyoscope.slides import Slide, open_slide

FEATURES = ("shape",)
"""Groups that are measured unless others are asked for."""


class Measure:
    """What is to be measured on the nuclei of one slide.

    Parameters
    ----------
    groups : sequence of str
        Keys of :data:`karyoscope.features.GROUPS`.
    context : ExportContext
        Gives scale and classes.
    slide : Slide, optional
        Its pixels, for groups that need them.
    radius_um : float
        Radius of the neighbourhood, in µm.

    Attributes
    ----------
    needs_all : bool
        Whether a group needs all nuclei of the slide before it measures the first.

    Raises
    ------
    KaryoscopeError
        If a group is unknown or lacks its pixels, or the radius is not a length.
    """

    def __init__(
        self,
        groups: Sequence[str],
        context: ExportContext,
        slide: Slide | None = None,
        radius_um: float = RADIUS_UM,
    ) -> None:
        found = find_groups(groups)
        if not (np.isfinite(radius_um) and radius_um > 0):
            raise KaryoscopeError(f"densities are of a circle; {radius_um:g} µm is no radius")
        for group in found:
            if group.needs_pixels and slide is None:
                raise KaryoscopeError(
                    f"the features {group.name!r} need the pixels of the slide: --slide FILE"
                )
        pixels = None if slide is None else partial(_pixels, slide)
        about = FeatureContext(context.taxonomy, (context.mpp_x, context.mpp_y), radius_um, pixels)
        self._alone = [group.start(about) for group in found if not group.needs_all]
        self._among = [group.start(about) for group in found if group.needs_all]
        self.needs_all = bool(self._among)

    def add(self, nuclei: Nuclei) -> None:
        """Take note of a block, for the groups that need all nuclei."""
        for measurement in self._among:
            measurement.add(nuclei)

    def per_nucleus(self, nuclei: Nuclei) -> Nuclei:
        """Measure what depends on no other nucleus."""
        for measurement in self._alone:
            nuclei = nuclei.with_measurements(measurement.measure(nuclei))
        return nuclei

    def with_neighbours(self, nuclei: Nuclei) -> Nuclei:
        """Measure what depends on the others, which are all known by now."""
        for measurement in self._among:
            nuclei = nuclei.with_measurements(measurement.measure(nuclei))
        return nuclei


def _pixels(slide: Slide, mpp: float) -> PixelGrid:
    """Pixels of a slide at a scale, or at its own where that is coarser."""
    mpp = max(mpp, slide.mpp)
    grid, reader = slide.grid(mpp), LenientReader(slide)

    def read(x: int, y: int, width: int, height: int) -> np.ndarray:
        return reader.read(x, y, width, height, mpp)

    return PixelGrid(read, grid.scale_x, grid.scale_y)


class Sink(Protocol):
    """Takes blocks of nuclei, and is finished when there are no more."""

    def write(self, nuclei: Nuclei) -> None:
        """Add a block."""

    def finish(self) -> None:
        """Complete what was written."""


class Measuring:
    """Measures nuclei before another sink gets them; nothing of its own stays on the disk.

    Parameters
    ----------
    sink : Sink
        Gets the same blocks in the same order, with more columns; where neighbours are measured,
        only at the end.
    measure : Measure
    spool : Path
        Name that a temporary file is derived from, where one is needed.
    context : ExportContext
    """

    def __init__(self, sink: Sink, measure: Measure, spool: Path, context: ExportContext) -> None:
        self._sink, self._measure = sink, measure
        self._spool = ParquetWriter(spool, context) if measure.needs_all else None

    def write(self, nuclei: Nuclei) -> None:
        """Measure a block."""
        nuclei = self._measure.per_nucleus(nuclei)
        if self._spool is None:
            self._sink.write(nuclei)
        else:
            self._measure.add(nuclei)
            self._spool.write(nuclei)

    def finish(self) -> None:
        """Measure what had to wait, and finish the sink."""
        if self._spool is not None:
            self._spool.finish()
            for nuclei in iterate_parquet(self._spool.partial):
                self._sink.write(self._measure.with_neighbours(nuclei))
            self._spool.abort()
        self._sink.finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._spool is not None:
            self._spool.abort()


def add_features(
    table: str | Path,
    out: Path,
    groups: Sequence[str],
    formats: Sequence[str] = ("parquet",),
    slide: str | Path | None = None,
    radius_um: float = RADIUS_UM,
    overwrite: bool = False,
) -> list[Path]:
    """Add features to nuclei that were found before.

    The columns are the same as if they had been asked for when the nuclei were found.

    Parameters
    ----------
    table : path
        GeoParquet that karyoscope wrote.
    out : Path
        Folder of the new files, ``<stem>.<format>``; may be the table's own.
    groups : sequence of str
        Keys of :data:`karyoscope.features.GROUPS`.
    formats : sequence of str
        Keys of :data:`karyoscope.export.WRITERS`.
    slide : path, optional
        Where the nuclei were found; needed for ``stain``, and by formats that show pixels.
    radius_um : float
        That local densities are of.
    overwrite : bool
        Replace files that exist; also the table itself.

    Returns
    -------
    list of Path
        The new files, a summary among them. It takes what it cannot know from the summary beside
        the table; where there is none, densities refer to the whole slide, and it says so.

    Raises
    ------
    KaryoscopeError
        If the table or the slide cannot be used, or a file exists or cannot be written; none is
        left behind then.
    """
    table, context = Path(table), read_context(table)
    with ExitStack() as stack:
        opened = None
        if slide is not None:
            opened = stack.enter_context(open_slide(slide, context.mpp))
            if opened.size != context.size:
                raise KaryoscopeError(
                    f"{slide} has {opened.size[0]} x {opened.size[1]} pixels, but {table} is of"
                    f" {context.slide} with {context.size[0]} x {context.size[1]}"
                )
            context = replace(context, read=LenientReader(opened).read)
        measure = Measure(groups, context, opened, radius_um)
        if measure.needs_all:
            for nuclei in iterate_parquet(table):
                measure.add(nuclei)
        first = next(iterate_parquet(table)).take([])
        empty = measure.with_neighbours(measure.per_nucleus(first))
        columns = tuple(empty.measurements)
        context = replace(context, measurements=columns, page=slide_page)
        stem = table.name.removesuffix(WRITERS["parquet"].suffix)
        earlier = _earlier_summary(table.with_name(stem + WRITERS["summary"].suffix))
        with open_writers(out, stem, formats, context, overwrite) as writers:
            for nuclei in iterate_parquet(table):
                writers.write(measure.with_neighbours(measure.per_nucleus(nuclei)))
            writers.report(RunReport.from_summary(earlier))
    return writers.paths


def _earlier_summary(path: Path) -> dict[str, Any]:
    """What the summary beside a table says; a warning where there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {
            "warnings": [
                f"no {path.name} beside the table: all of the slide was taken for analysed"
            ]
        }
