"""Features of nuclei on their way to the files.

Shape and stain are measured block by block. Neighbours may be in a block that comes later, so for
them the nuclei are set aside on disk until all are known; only their centroids stay in memory.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.export import (
    WRITERS,
    ExportContext,
    iterate_parquet,
    open_writers,
    read_context,
)
from karyoscope.export.parquet import ParquetWriter
from karyoscope.features import (
    RADIUS_UM,
    STAIN_MPP,
    Neighbourhood,
    check_groups,
    shape_features,
    stain_features,
)
from karyoscope.pipeline.reading import LenientReader
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
        Its pixels; needed for ``stain``.
    radius_um : float
        That local densities are of.

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
        check_groups(groups)
        if "stain" in groups and slide is None:
            raise KaryoscopeError("the features 'stain' need the pixels of the slide: --slide FILE")
        if not (np.isfinite(radius_um) and radius_um > 0):
            raise KaryoscopeError(f"densities are of a circle; {radius_um:g} µm is no radius")
        self._shape = "shape" in groups
        self._stained = slide if "stain" in groups else None
        self._mpp_xy = context.mpp_x, context.mpp_y
        self.around: Neighbourhood | None = None
        if "neighbours" in groups:
            self.around = Neighbourhood(context.taxonomy, self._mpp_xy, radius_um)

    def alone(self, nuclei: Nuclei) -> Nuclei:
        """Measure what depends on no other nucleus."""
        if self._shape:
            nuclei = nuclei.with_measurements(shape_features(nuclei, self._mpp_xy))
        if self._stained is not None:
            nuclei = nuclei.with_measurements(_stains(nuclei, self._stained))
        return nuclei

    def among(self, nuclei: Nuclei) -> Nuclei:
        """Measure what depends on the others, which are all known by now."""
        if self.around is None:
            return nuclei
        return nuclei.with_measurements(self.around.features(nuclei))


def _stains(nuclei: Nuclei, slide: Slide) -> dict[str, np.ndarray]:
    mpp = max(STAIN_MPP, slide.mpp)
    grid, reader = slide.grid(mpp), LenientReader(slide)

    def read(x: int, y: int, width: int, height: int) -> np.ndarray:
        return reader.read(x, y, width, height, mpp)

    return stain_features(nuclei, read, grid.scale_x, grid.scale_y)


class Sink(Protocol):
    """Takes blocks of nuclei, and is told when there are no more."""

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
        self._spool = ParquetWriter(spool, context) if measure.around is not None else None

    def write(self, nuclei: Nuclei) -> None:
        """Measure a block."""
        nuclei = self._measure.alone(nuclei)
        if self._spool is None:
            self._sink.write(nuclei)
        else:
            assert self._measure.around is not None
            self._measure.around.add(nuclei)
            self._spool.write(nuclei)

    def finish(self) -> None:
        """Measure what had to wait, and finish the sink."""
        if self._spool is not None:
            self._spool.finish()
            for nuclei in iterate_parquet(self._spool.partial):
                self._sink.write(self._measure.among(nuclei))
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
        if measure.around is not None:
            for nuclei in iterate_parquet(table):
                measure.around.add(nuclei)
        empty = measure.among(measure.alone(next(iterate_parquet(table)).take([])))
        context = replace(context, measurements=tuple(empty.measurements))
        stem = table.name.removesuffix(WRITERS["parquet"].suffix)
        earlier = _earlier_summary(table.with_name(stem + WRITERS["summary"].suffix))
        with open_writers(out, stem, formats, context, overwrite) as writers:
            writers.summary.recall(earlier)
            for nuclei in iterate_parquet(table):
                writers.write(measure.among(measure.alone(nuclei)))
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
