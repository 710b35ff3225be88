"""The picture with the outlines drawn on it, a legend and a scale bar."""

from __future__ import annotations

import cv2
import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import UNCLASSIFIED
from karyoscope.export._drawing import draw_nuclei
from karyoscope.export._insets import Insets
from karyoscope.export._legend import draw_box, draw_scale_bar, legend
from karyoscope.export._whole import enlarged, read_whole
from karyoscope.export.base import ExportContext, Reader, Writer

_LONGEST = 4000
_COMFORTABLE = 1600
_MOST_ENLARGED = 4
_MOST_INSETS = 3


class OverlayWriter(Writer):
    """PNG: the image of at most 4000 pixels, outlines in the colours of the classes, a legend.

    Larger images are reduced; small ones are enlarged, so that outlines stay thin beside the
    nuclei. Where a nucleus is only a few pixels wide it is filled instead of outlined. Images that
    do not fit on a screen have up to three details at full resolution below the legend.
    """

    name = "overlay"
    suffix = ".overlay.png"

    def _open(self) -> None:
        self.partial.touch()
        read = self.context.read
        if read is None:
            raise KaryoscopeError("an overlay needs the pixels of the slide, and none are at hand")
        self._insets = None
        if max(self.context.size) > _COMFORTABLE:
            self._insets = Insets(self.context, read, self.scratch)
        self._canvas, self._scale = _picture(self.context, read)
        self._counts = np.zeros(256, np.int64)

    def _write(self, nuclei: Nuclei) -> None:
        self._counts += np.bincount(nuclei.class_id, minlength=256)
        draw_nuclei(self._canvas, nuclei, self._scale)
        if self._insets is not None:
            self._insets.add(nuclei)

    def _finish(self) -> None:
        height, width = self._canvas.shape[:2]
        size = int(np.clip(np.sqrt(height * width) / 55, 14, 44))
        draw_scale_bar(self._canvas, self.context.mpp_x / self._scale, size)
        panel = self._panel(size)
        picture = np.full((max(height, len(panel)), width + panel.shape[1], 3), 255, np.uint8)
        picture[: len(panel), width:] = panel
        # After the panel, which marks on the canvas what its details show.
        picture[:height, :width] = self._canvas
        ok, png = cv2.imencode(".png", picture[:, :, ::-1])
        if not ok:
            raise OSError("the picture cannot be encoded as PNG")
        self.partial.write_bytes(png.data)

    def _panel(self, size: int) -> np.ndarray:
        """Legend and, where there is room, details below it."""
        context = self.context
        classes = list(context.taxonomy.classes)
        if self._counts[UNCLASSIFIED.id]:
            classes.append(UNCLASSIFIED)
        counts = [(c, int(self._counts[c.id])) for c in classes]
        head = legend(context.slide, f"{context.model} {context.model_version}", counts, size)
        margin = round(1.5 * size)
        number, pixels = _fit(len(self._canvas) - len(head), head.shape[1] - 2 * margin, margin)
        if self._insets is None:
            return head
        parts = [head]
        for corner in self._insets.choose(number):
            detail = self._insets.picture(corner, pixels)
            draw_scale_bar(detail, context.mpp_x * self._insets.side / pixels, round(0.8 * size))
            framed = np.full((pixels + margin, head.shape[1], 3), 255, np.uint8)
            framed[:pixels, margin : margin + pixels] = detail
            self._mark(corner, str(len(parts)), framed, margin, size)
            parts.append(framed)
        return np.concatenate(parts)

    def _mark(
        self, corner: tuple[int, int], number: str, framed: np.ndarray, margin: int, size: int
    ) -> None:
        """Number a detail, and its place on the canvas."""
        assert self._insets is not None
        x, y = (round(value * self._scale) for value in corner)
        draw_box(self._canvas, (x, y), round(self._insets.side * self._scale), number, size)
        draw_box(framed, (margin, 0), len(framed) - margin, number, size)


def _fit(height: int, width: int, margin: int) -> tuple[int, int]:
    """Number and edge of the square details that fit below one another, none of them small."""
    for number in range(_MOST_INSETS, 0, -1):
        pixels = min(width, height // number - margin)
        if pixels >= 0.7 * width:
            return number, pixels
    return 0, 0


def _picture(context: ExportContext, read: Reader) -> tuple[np.ndarray, float]:
    """Read the whole image at a size that can be shown; pixels of it for one of level 0."""
    width, height = context.size
    picture, scale = read_whole(context, read, _LONGEST)
    if scale < 1:
        return picture, scale
    factor = int(np.clip(round(_COMFORTABLE / max(width, height)), 1, _MOST_ENLARGED))
    return enlarged(picture, factor), float(factor)
