"""Nuclei on their way to the files, counted by the regions that someone drew."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.regions import Regions
from karyoscope.features.regions import RegionTally
from karyoscope.formats import ExportContext
from karyoscope.pipeline.measures.sink import Sink
from karyoscope.pipeline.tiling.annotations import read_annotations
from karyoscope.pipeline.tiling.area import Area, whole_of
from karyoscope.pipeline.tiling.blocks import Box, Layout
from karyoscope.slides import Slide, Tissue
from karyoscope.slides.grid import Grid

_PART_PX = 4096


class Counting:
    """Counts nuclei by region before another sink gets them, with the column ``region``.

    Parameters
    ----------
    sink : Sink
        Gets the same blocks in the same order.
    context : ExportContext
        Slide, scale, classes and regions; without regions nothing is counted.
    """

    def __init__(self, sink: Sink, context: ExportContext) -> None:
        self._sink = sink
        self._tally = None
        if context.regions is not None:
            mpp = context.mpp_x, context.mpp_y
            self._tally = RegionTally(context.regions, context.taxonomy, mpp, context.size)

    def write(self, nuclei: Nuclei) -> None:
        """Count a block."""
        self._sink.write(nuclei if self._tally is None else self._tally.add(nuclei))

    def finish(self) -> None:
        """Finish the sink."""
        self._sink.finish()

    def add_area(self, area: Area, part: Box) -> None:
        """Add a block of the grid that was analysed."""
        if self._tally is not None:
            cells = None if area.mask is None else area.tissue_cells(part)
            self._tally.add_area(area.shape_of(part), cells)

    def rows(self) -> list[dict[str, Any]]:
        """Numbers of every region; see :meth:`RegionTally.rows`."""
        return [] if self._tally is None else self._tally.rows()


def regions_of(path: str | Path | None, slide: Slide) -> Regions | None:
    """Annotations of a slide; None where no file of them is given."""
    return None if path is None else read_annotations(path, slide)


def whole_parts(slide: Slide, run: Mapping[str, Any]) -> tuple[Area, list[Box]]:
    """Area that an earlier run analysed, and the boxes that it is divided into.

    Parameters
    ----------
    slide : Slide
    run : mapping
        Settings of that run, from its summary.

    Raises
    ------
    KaryoscopeError
        If that run analysed polygons of a GeoJSON file, which the summary does not contain.
    """
    roi, tissue = run.get("roi"), run.get("tissue", "auto")
    if isinstance(roi, Mapping) or isinstance(tissue, Mapping):
        raise KaryoscopeError(
            f"{slide.path or slide.name}: these nuclei are of an area that was drawn; run"
            " `karyoscope segment` again with --annotations"
        )
    grid = Grid(*slide.size, 1.0, 1.0)
    box = whole = whole_of(slide)
    if roi:
        x, y, width, height = roi
        box = whole.shared(Box(x, y, x + width, y + height))
    area = Area(grid, box, box == whole, None, Tissue.of(slide))
    starts = itertools.product(
        range(box.left, box.right, _PART_PX), range(box.top, box.bottom, _PART_PX)
    )
    return area, [Box(x, y, x + _PART_PX, y + _PART_PX).shared(box) for x, y in starts]


def own_boxes(layout: Layout, wanted: Iterable[int]) -> Iterator[Box]:
    """Yield the part of the grid that each of the wanted blocks owns, in their order."""
    chosen = set(wanted)
    return (block.own for index, block in enumerate(layout.blocks()) if index in chosen)
