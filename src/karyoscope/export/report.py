"""A page about one slide, to read, to show and to keep: ``<stem>.report.html``.

The writer collects what the page shows; how the page is laid out is handed in as
``context.page``, since pages stand above the formats.
"""

from __future__ import annotations

import cv2
import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.drawing import draw_nuclei, draw_scale_bar
from karyoscope.export._density import DensityGrid
from karyoscope.export._whole import enlarged, read_whole
from karyoscope.export.base import Writer
from karyoscope.export.slide_figures import SlideFigures
from karyoscope.export.tally import Tally

_LONGEST = 1600
_COMFORTABLE = 1000
_MOST_ENLARGED = 4
_SMALL = 520
#: Areas are counted in steps of 1 µm² up to this; larger ones together.
_LARGEST_UM2 = 500
_GAP = (214, 40, 40)
_REGION = (33, 37, 41)


class ReportWriter(Writer):
    """One HTML file that needs nothing else: picture, counts, density maps, areas, methods.

    It grows with the number of classes, not of nuclei: blocks are drawn on the thumbnail and
    counted in bins.
    """

    name = "report"
    suffix = ".report.html"
    reports_run = True

    def _open(self) -> None:
        if self.context.page is None:
            raise KaryoscopeError(
                "a report needs the layout of its page: give the context"
                " page=karyoscope.report.slide_page"
            )
        self._page = self.context.page
        self.partial.touch()
        self._tally = Tally(self.context)
        self._canvas, self._scale = self._thumbnail()
        small = _SMALL / max(self._canvas.shape[:2])
        shape = [max(1, round(n * small)) for n in self._canvas.shape[1::-1]]
        self._ground = cv2.resize(self._canvas, shape, interpolation=cv2.INTER_AREA)
        self._grid = DensityGrid(self.context)
        self._areas = np.zeros((256, _LARGEST_UM2 + 1), np.int64)

    def _thumbnail(self) -> tuple[np.ndarray, float]:
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
        self._tally.add(nuclei)
        draw_nuclei(self._canvas, nuclei, self._scale)
        self._grid.add(nuclei)
        step = np.clip(nuclei.area_um2, 0, _LARGEST_UM2).astype(int)
        np.add.at(self._areas, (nuclei.class_id, step), 1)

    def _finish(self) -> None:
        summary = self._tally.summary(self.run)
        self._mark(summary["unread_regions"] + summary["failed_regions"], _GAP)
        roi = summary["run"].get("roi")
        self._mark([roi] if roi else [], _REGION)
        draw_scale_bar(self._canvas, self.context.mpp_x / self._scale, 18)
        figures = SlideFigures(
            summary,
            self._canvas,
            self._ground,
            {c["name"]: self._grid.density(c["id"]) for c in summary["classes"]},
            self._grid.bin_um,
            self._grid.extent_um,
            {c["name"]: self._areas[c["id"]] for c in summary["classes"]},
        )
        self.partial.write_text(self._page(figures), encoding="utf-8")

    def _mark(self, boxes: list[list[int]], color: tuple[int, int, int]) -> None:
        """Frame regions given as x, y, width, height in pixels of level 0."""
        for x, y, width, height in boxes:
            left, top, right, bottom = (
                round(n * self._scale) for n in (x, y, x + width, y + height)
            )
            cv2.rectangle(self._canvas, (left, top), (right - 1, bottom - 1), color, 2)
