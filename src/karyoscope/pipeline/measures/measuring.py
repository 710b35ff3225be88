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
from typing import Any, Self

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.limits import check_radius
from karyoscope.core.nuclei import Nuclei
from karyoscope.features import (
    EXPANSION_UM,
    RADIUS_UM,
    FeatureContext,
    FeatureGroup,
    PixelGrid,
    expand,
    find_groups,
)
from karyoscope.features.quality import QUALITY
from karyoscope.formats import (
    WRITERS,
    ExportContext,
    RunReport,
    iterate_parquet,
    open_writers,
    read_context,
)
from karyoscope.formats.rounding import rounded
from karyoscope.formats.summaries.regions import RegionsWriter
from karyoscope.formats.summaries.spatial import SpatialWriter
from karyoscope.formats.tables.parquet import ParquetWriter
from karyoscope.pipeline.measures.counting import Counting, regions_of, whole_parts
from karyoscope.pipeline.measures.quality import sound_area
from karyoscope.pipeline.measures.sink import Sink
from karyoscope.pipeline.measures.spatial import SpatialScores
from karyoscope.pipeline.reading import LenientReader
from karyoscope.report import slide_page
from karyoscope.slides import Quality, Slide, Tissue, open_slide

FEATURES = ("shape",)
"""Groups that are measured unless others are requested."""


class Measure:
    """The features to measure on the nuclei of a slide.

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
    quality : Quality, optional
        Faults of the slide, for the group ``quality``, which is NaN without them.
    expansion_um : float
        Distance by which nuclei are expanded to cells, in µm.

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
        quality: Quality | None = None,
        expansion_um: float = EXPANSION_UM,
    ) -> None:
        found = find_groups(groups)
        for length in (radius_um, expansion_um):
            wrong = check_radius(length)
            if wrong:
                raise KaryoscopeError(wrong)
        for group in found:
            if group.needs_pixels and slide is None:
                raise KaryoscopeError(
                    f"the features {group.name!r} need the pixels of the slide: --slide FILE"
                )
        pixels = None if slide is None else partial(_pixels, slide)
        mpp = context.mpp_x, context.mpp_y
        faults = None if quality is None else quality.holding
        about = FeatureContext(context.taxonomy, mpp, radius_um, pixels, faults, expansion_um)
        started = [(group, _Started(group, about)) for group in found]
        self._at_once = [start for group, start in started if not group.needs_all]
        self._after_all = [start for group, start in started if group.needs_all]
        self.needs_all = bool(self._after_all)

    def add(self, nuclei: Nuclei) -> None:
        """Add a block, for the groups that need all nuclei."""
        for group in self._after_all:
            group.add(nuclei)

    def per_nucleus(self, nuclei: Nuclei) -> Nuclei:
        """Measure what depends on no other nucleus; all numbers have the digits of the files."""
        # First, so that those who measure later, from the files, measure the same.
        nuclei = rounded(nuclei)
        for group in self._at_once:
            nuclei = nuclei.with_measurements(group.measure(nuclei))
        return rounded(nuclei)

    def with_neighbours(self, nuclei: Nuclei) -> Nuclei:
        """Measure what depends on other nuclei, after all nuclei were added, in the same digits."""
        for group in self._after_all:
            nuclei = nuclei.with_measurements(group.measure(nuclei))
        return rounded(nuclei)


def quality_for(groups: Sequence[str], slide: Slide | None) -> Quality | None:
    """Faults of a slide, where a group of features flags them; else None."""
    if slide is None or QUALITY.name not in groups:
        return None
    return Quality.of(slide, Tissue.of(slide))


class _Started:
    """A group on one slide, whose columns are compared with those that it declares."""

    def __init__(self, group: FeatureGroup, context: FeatureContext) -> None:
        self._name, self._measurement = group.name, group.start(context)
        columns = expand(group.columns, context.taxonomy, context.radius_um)
        self._columns = [column.name for column in columns]
        self.add = self._measurement.add

    def measure(self, nuclei: Nuclei) -> dict[str, np.ndarray]:
        found = self._measurement.measure(nuclei)
        if list(found) != self._columns:
            raise KaryoscopeError(
                f"feature group {self._name!r} declares the columns {', '.join(self._columns)},"
                f" but measured {', '.join(found) or 'none'}"
            )
        return found


def _pixels(slide: Slide, mpp: float) -> PixelGrid:
    """Pixels of a slide at a scale, or at its own where that is coarser."""
    mpp = max(mpp, slide.mpp)
    grid, reader = slide.grid(mpp), LenientReader(slide)

    def read(x: int, y: int, width: int, height: int) -> np.ndarray:
        return reader.read(x, y, width, height, mpp)

    return PixelGrid(read, grid.scale_x, grid.scale_y)


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
        """Measure the groups that needed all nuclei, and finish the sink."""
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
    annotations: str | Path | None = None,
    spatial: bool = False,
    expansion_um: float = EXPANSION_UM,
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
        Keys of :data:`karyoscope.formats.WRITERS`.
    slide : path, optional
        Where the nuclei were found; needed for ``stain``, and by formats that show pixels.
    radius_um : float
        Radius of the neighbourhood of local densities, in µm.
    overwrite : bool
        Replace files that exist; also the table itself.
    annotations : path, optional
        Counts the nuclei by what was drawn on the slide, which has to be given; see
        :class:`~karyoscope.pipeline.SegmentOptions`.
    spatial : bool
        Spatial scores of the slide; those of immune cells need ``slide``, for its tissue.
    expansion_um : float
        Distance by which nuclei are expanded to cells, in µm.

    Returns
    -------
    list of Path
        The new files, a summary among them. It takes what it cannot know from the summary beside
        the table; where there is none, it has no densities, and says so.

    Raises
    ------
    KaryoscopeError
        If the table or the slide cannot be used, or a file exists or cannot be written; none is
        left behind then.
    """
    table, context = Path(table), read_context(table)
    if annotations is not None:
        formats = tuple(dict.fromkeys((*formats, RegionsWriter.name)))
        if slide is None:
            raise KaryoscopeError("--annotations are of a slide: give it with --slide")
    if spatial:
        formats = tuple(dict.fromkeys((*formats, SpatialWriter.name)))
    with ExitStack() as stack:
        opened = None
        if slide is not None:
            opened = stack.enter_context(
                open_slide(slide, override_mpp=context.mpp, scene=context.scene or None)
            )
            if opened.size != context.size:
                raise KaryoscopeError(
                    f"{slide} has {opened.size[0]} x {opened.size[1]} pixels, but {table} is of"
                    f" {context.slide} with {context.size[0]} x {context.size[1]}"
                )
            context = replace(context, read=LenientReader(opened).read)
        quality = quality_for(groups, opened)
        measure = Measure(groups, context, opened, radius_um, quality, expansion_um)
        if measure.needs_all:
            for nuclei in iterate_parquet(table):
                measure.add(nuclei)
        first = next(iterate_parquet(table)).take([])
        empty = measure.with_neighbours(measure.per_nucleus(first))
        columns = tuple(empty.measurements)
        context = replace(context, measurements=columns, page=slide_page)
        if opened is not None:
            context = replace(context, regions=regions_of(annotations, opened))
        stem = table.name.removesuffix(WRITERS["parquet"].suffix)
        earlier = _earlier_summary(table.with_name(stem + WRITERS["summary"].suffix))
        with open_writers(out, stem, formats, context, overwrite) as writers:
            counting = Counting(writers, context)
            scores = SpatialScores(context, radius_um, spatial)
            if opened is not None and (annotations is not None or spatial):
                area, parts = whole_parts(opened, earlier.get("run", {}))
                left_out = earlier.get("run", {}).get("exclude", ())
                if left_out and area.mask is not None:
                    area = sound_area(area, quality or Quality.of(opened, area.mask), left_out)
                for part in parts:
                    counting.add_area(area, part)
                    scores.add_area(area, part)
            for nuclei in iterate_parquet(table):
                scores.add(nuclei)
                counting.write(measure.with_neighbours(measure.per_nucleus(nuclei)))
            if out.resolve() != table.parent.resolve():
                earlier = {**earlier, "files": {}}
            if annotations is not None:
                earlier = {**earlier, "regions": scores.with_regions(counting.rows())}
            if spatial:
                earlier = {**earlier, "spatial": scores.scores()}
            writers.report(RunReport.from_summary(earlier))
    return writers.paths


def _earlier_summary(path: Path) -> dict[str, Any]:
    """What the summary beside a table says; a warning where there is none."""
    try:
        summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return summary
    except (OSError, ValueError):
        return {
            "warnings": [
                f"there is no {path.name} in the folder of the table: the area of tissue is"
                " unknown, and so are densities"
            ]
        }
