"""A small picture of each region that someone drew, with its nuclei."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.regions import Region
from karyoscope.drawing import draw_nuclei, draw_regions, draw_scale_bar
from karyoscope.formats.context import ExportContext, Reader
from karyoscope.formats.images.whole import enlarged, read_shown

MOST_PANELS = 12
"""Further regions are in the table alone."""

_LONGEST = 480
_MOST_ENLARGED = 4
#: Share of a region's longer side that is shown around it.
_MARGIN = 0.06
#: Nuclei whose centroid is as far as this outside may reach into the picture.
_REACH_UM = 40.0


class RegionPanels:
    """Pictures of the first regions of a slide, onto which nuclei are drawn block by block.

    Parameters
    ----------
    context : ExportContext
        Slide, scale and regions.
    read : callable
        Function with the arguments of ``context.read``.
    """

    def __init__(self, context: ExportContext, read: Reader) -> None:
        regions = [r for r in context.regions or () if r.geometry.area > 0]
        self._panels = [_Panel(context, read, region) for region in regions[:MOST_PANELS]]

    def add(self, nuclei: Nuclei) -> None:
        """Draw a block of nuclei."""
        for panel in self._panels:
            panel.add(nuclei)

    def pictures(self) -> dict[str, np.ndarray]:
        """Finished pictures by name of the region, (h, w, 3) uint8 RGB."""
        return {panel.region.name: panel.finished() for panel in self._panels}


class _Panel:
    def __init__(self, context: ExportContext, read: Reader, region: Region) -> None:
        self.region, self._context = region, context
        around = replace(context, shown=_around(region, context.size))
        picture, scale, self._corner = read_shown(around, read, _LONGEST)
        factor = int(np.clip(_LONGEST // max(picture.shape[:2]), 1, _MOST_ENLARGED))
        self._canvas, self._scale = enlarged(picture, factor), scale * factor

    def add(self, nuclei: Nuclei) -> None:
        reach = _REACH_UM / self._context.mpp
        left, top = self._corner
        height, width = (n / self._scale for n in self._canvas.shape[:2])
        near = (nuclei.x > left - reach) & (nuclei.x < left + width + reach)
        near &= (nuclei.y > top - reach) & (nuclei.y < top + height + reach)
        if near.any():
            draw_nuclei(self._canvas, nuclei.take(near), self._scale, left, top)

    def finished(self) -> np.ndarray:
        draw_regions(self._canvas, [self.region], self._scale, self._corner, 0)
        if min(self._canvas.shape[:2]) >= 120:
            draw_scale_bar(self._canvas, self._context.mpp_x / self._scale, 13)
        return self._canvas


def _around(region: Region, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Box of a region with a margin, in whole pixels of the slide."""
    left, top, right, bottom = region.geometry.bounds
    margin = _MARGIN * max(right - left, bottom - top)
    x, y = (max(0, int(v - margin)) for v in (left, top))
    x, y = min(x, size[0] - 1), min(y, size[1] - 1)
    ends = (
        min(length, max(start + 1, int(np.ceil(v + margin))))
        for v, start, length in zip((right, bottom), (x, y), size, strict=True)
    )
    wide, high = (end - start for end, start in zip(ends, (x, y), strict=True))
    return x, y, wide, high
