"""A page about one slide, to read, to show and to keep: ``<stem>.report.html``."""

from __future__ import annotations

import cv2
import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.export._drawing import draw_nuclei
from karyoscope.export._heatmap import DensityGrid, faded
from karyoscope.export._legend import draw_scale_bar
from karyoscope.export._report_page import HeatMap, Pictures, report_page
from karyoscope.export._whole import enlarged, read_whole
from karyoscope.export.summary import SummaryWriter

_LONGEST = 1600
_COMFORTABLE = 1000
_MOST_ENLARGED = 4
_SMALL = 520
#: Areas are counted in steps of 1 µm² up to this; larger ones together.
_LARGEST_UM2 = 500
_GAP = (214, 40, 40)
_REGION = (33, 37, 41)


class ReportWriter(SummaryWriter):
    """One HTML file that needs nothing else: picture, counts, heat maps, areas, provenance.

    It grows with the number of classes, not of nuclei: blocks are drawn on the thumbnail and
    counted in bins.
    """

    name = "report"
    suffix = ".report.html"

    def _open(self) -> None:
        super()._open()
        self._canvas, self._scale = self._ground()
        small = _SMALL / max(self._canvas.shape[:2])
        shape = [max(1, round(n * small)) for n in self._canvas.shape[1::-1]]
        self._faded = faded(cv2.resize(self._canvas, shape, interpolation=cv2.INTER_AREA))
        self._grid = DensityGrid(self.context)
        self._sizes = np.zeros((256, _LARGEST_UM2 + 1), np.int64)

    def _ground(self) -> tuple[np.ndarray, float]:
        """Picture of the slide, white where no pixels are at hand, and its scale."""
        context = self.context
        if context.read is None:
            scale = _COMFORTABLE / max(context.size)
            width, height = (max(1, round(n * scale)) for n in context.size)
            return np.full((height, width, 3), 255, np.uint8), scale
        picture, scale = read_whole(context, context.read, _LONGEST)
        factor = int(np.clip(_COMFORTABLE // max(picture.shape[:2]), 1, _MOST_ENLARGED))
        return enlarged(picture, factor), scale * factor

    def _write(self, nuclei: Nuclei) -> None:
        super()._write(nuclei)
        draw_nuclei(self._canvas, nuclei, self._scale)
        self._grid.add(nuclei)
        step = np.clip(nuclei.area_um2, 0, _LARGEST_UM2).astype(int)
        np.add.at(self._sizes, (nuclei.class_id, step), 1)

    def _finish(self) -> None:
        summary = self.summary()
        self._mark(summary["unread_regions"] + summary["failed_regions"], _GAP)
        self._mark([self.run["roi"]] if self.run.get("roi") else [], _REGION)
        draw_scale_bar(self._canvas, self.context.mpp_x / self._scale, 18)
        heat_maps = {c["name"]: self._heat_map(c["id"]) for c in summary["classes"]}
        sizes = {c["name"]: self._sizes[c["id"]] for c in summary["classes"]}
        page = report_page(summary, Pictures(self._canvas, heat_maps, self._grid.bin_um), sizes)
        self.partial.write_text(page, encoding="utf-8")

    def _heat_map(self, class_id: int) -> HeatMap:
        density = self._grid.density(class_id)
        most = float(density.max())
        picture = self._grid.paint(density, most, self._faded) if most > 0 else self._faded
        return HeatMap(picture, most)

    def _mark(self, boxes: list[list[int]], color: tuple[int, int, int]) -> None:
        """Frame places given as x, y, width, height in pixels of level 0."""
        for x, y, width, height in boxes:
            left, top, right, bottom = (
                round(n * self._scale) for n in (x, y, x + width, y + height)
            )
            cv2.rectangle(self._canvas, (left, top), (right - 1, bottom - 1), color, 2)
