"""A page about one slide, to read, to show and to keep: ``<stem>.report.html``.

The writer collects what the page shows; how the page is laid out is handed in as
``context.page``, since pages stand above the formats.
"""

from __future__ import annotations

import cv2
import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.faults import KINDS
from karyoscope.core.nuclei import Nuclei
from karyoscope.drawing import draw_nuclei, draw_regions, draw_rings, draw_scale_bar
from karyoscope.formats.base import Writer
from karyoscope.formats.images.whole import enlarged, read_shown
from karyoscope.formats.report.density import DensityGrid
from karyoscope.formats.report.panels import RegionPanels
from karyoscope.formats.slide_figures import SlideFigures
from karyoscope.formats.summaries.tally import Tally

_LONGEST = 1600
_COMFORTABLE = 1000
_MOST_ENLARGED = 4
_SMALL = 520
#: Areas are counted in steps of 1 µm² up to this; larger ones together.
_LARGEST_UM2 = 500
_GAP = (214, 40, 40)
_TISSUE = (0, 132, 61)


class ReportWriter(Writer):
    """One HTML file that needs nothing else: picture, counts, density maps, areas, methods.

    It grows with the number of classes and of annotations, not of nuclei: blocks are drawn on the
    thumbnail and counted in bins. Where a part of the slide was analysed it shows that part.
    """

    name = "report"
    about = "page with counts, densities and details of the slide"
    opens_in = "a web browser"
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
        self._canvas, self._scale, self._corner = self._thumbnail()
        self._panels = None
        if self.context.read is not None and self.context.regions:
            self._panels = RegionPanels(self.context, self.context.read)
        small = _SMALL / max(self._canvas.shape[:2])
        shape = [max(1, round(n * small)) for n in self._canvas.shape[1::-1]]
        self._ground = cv2.resize(self._canvas, shape, interpolation=cv2.INTER_AREA)
        self._grid = DensityGrid(self.context)
        self._areas = np.zeros((256, _LARGEST_UM2 + 1), np.int64)

    def _thumbnail(self) -> tuple[np.ndarray, float, tuple[int, int]]:
        """Picture of what is shown, white where no pixels are available, its scale and corner."""
        context = self.context
        if context.read is None:
            left, top, *size = context.shown_box
            scale = _COMFORTABLE / max(size)
            width, height = (max(1, round(n * scale)) for n in size)
            return np.full((height, width, 3), 255, np.uint8), scale, (left, top)
        picture, scale, corner = read_shown(context, context.read, _LONGEST)
        factor = int(np.clip(_COMFORTABLE // max(picture.shape[:2]), 1, _MOST_ENLARGED))
        return enlarged(picture, factor), scale * factor, corner

    def _write(self, nuclei: Nuclei) -> None:
        self._tally.add(nuclei)
        draw_nuclei(self._canvas, nuclei, self._scale, *self._corner)
        if self._panels is not None:
            self._panels.add(nuclei)
        self._grid.add(nuclei)
        step = np.clip(nuclei.area_um2, 0, _LARGEST_UM2).astype(int)
        np.add.at(self._areas, (nuclei.class_id, step), 1)

    def _finish(self) -> None:
        summary = self._tally.summary(self.run)
        self._mark(summary["unread_regions"] + summary["failed_regions"], _GAP)
        draw_rings(self._canvas, self.context.outline, self._scale, self._corner)
        draw_regions(self._canvas, self.context.regions or (), self._scale, self._corner, 15)
        draw_scale_bar(self._canvas, self.context.mpp_x / self._scale, 18)
        figures = SlideFigures(
            summary,
            self._canvas,
            self._ground,
            {c["name"]: self._grid.density(c["id"]) for c in summary["classes"]},
            self._grid.bin_um,
            self._grid.extent_um,
            {c["name"]: self._areas[c["id"]] for c in summary["classes"]},
            self._tissue(),
            self.context.shown,
            {} if self._panels is None else self._panels.pictures(),
            self._faults(),
        )
        self.partial.write_text(self._page(figures), encoding="utf-8")

    def _tissue(self) -> np.ndarray | None:
        """Picture of the slide with the tissue that was measured outlined, and the rest pale."""
        if self.run.tissue_mask is None:
            return None
        mask, scale = self.run.tissue_mask
        small = self._on_ground(np.asarray(mask), scale).astype(np.uint8)
        picture = self._ground.copy()
        picture[small == 0] = (0.35 * picture[small == 0] + 0.65 * 235).astype(np.uint8)
        rings, _ = cv2.findContours(small, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        return cv2.polylines(picture, rings, True, _TISSUE, 1, cv2.LINE_AA)

    def _faults(self) -> np.ndarray | None:
        """Picture of the slide, pale, with the faults in the colours of their kinds."""
        if self.run.faults is None:
            return None
        masks, cell = self.run.faults
        picture = (0.6 * self._ground + 0.4 * 235).astype(np.uint8)
        for name, mask in masks.items():
            small = self._on_ground(mask, cell)
            color = np.array(KINDS[name].color)
            picture[small] = (0.4 * picture[small] + 0.6 * color).astype(np.uint8)
        return picture

    def _on_ground(self, mask: np.ndarray, scale: float) -> np.ndarray:
        """Mask of the slide, one of whose pixels spans some of level 0, on the small picture."""
        height, width = self._ground.shape[:2]
        # Centres of the pixels of the picture, in pixels of the mask.
        step = (
            self._canvas.shape[1] / width / self._scale,
            self._canvas.shape[0] / height / self._scale,
        )
        columns, rows = (
            np.clip(((np.arange(n) + 0.5) * s + start) / scale, 0, limit - 1).astype(int)
            for n, s, start, limit in zip(
                (width, height), step, self._corner, mask.shape[::-1], strict=True
            )
        )
        return np.asarray(mask[np.ix_(rows, columns)])

    def _mark(self, boxes: list[list[int]], color: tuple[int, int, int]) -> None:
        """Frame regions given as x, y, width, height in pixels of level 0."""
        for x, y, width, height in boxes:
            start = *self._corner, *self._corner
            left, top, right, bottom = (
                round((n - c) * self._scale)
                for n, c in zip((x, y, x + width, y + height), start, strict=True)
            )
            cv2.rectangle(self._canvas, (left, top), (right - 1, bottom - 1), color, 2)
