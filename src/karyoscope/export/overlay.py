"""The picture with the outlines drawn on it, a legend and a scale bar."""

from __future__ import annotations

import cv2
import numpy as np

from karyoscope.errors import KaryoscopeError
from karyoscope.export._legend import draw_scale_bar, legend
from karyoscope.export.base import ExportContext, Reader, Writer
from karyoscope.nuclei import Nuclei
from karyoscope.taxonomy import UNCLASSIFIED

_LONGEST = 4000
_COMFORTABLE = 1600
_MOST_ENLARGED = 4
_STRIP = 64
# Fixed-point bits of the coordinates that OpenCV draws.
_BITS = 4
# Nuclei are drawn as outlines where a typical one is this many pixels wide, else as dots.
_OUTLINED = 7.0
_TYPICAL_UM = 8.0


class OverlayWriter(Writer):
    """PNG of at most 4000 pixels: outlines in the colours of the classes.

    Larger images are reduced; small ones are enlarged, so that outlines stay thin beside the
    nuclei. Where a nucleus is only a few pixels wide it is filled instead of outlined.
    """

    name = "overlay"
    suffix = ".overlay.png"

    def _open(self) -> None:
        self.partial.touch()
        self._canvas, self._scale = _picture(self.context)
        self._counts = np.zeros(256, np.int64)

    def _write(self, nuclei: Nuclei) -> None:
        self._counts += np.bincount(nuclei.class_id, minlength=256)
        # Centres of pixels have whole coordinates in OpenCV.
        points = (nuclei.vertices * self._scale - 0.5) * 2**_BITS
        rings = np.split(np.round(points).astype(np.int32), nuclei.offsets[1:-1])
        width = _TYPICAL_UM / self.context.mpp * self._scale
        for class_id in np.unique(nuclei.class_id):
            color = self.context.taxonomy.by_id(int(class_id)).color
            chosen = [rings[row] for row in np.flatnonzero(nuclei.class_id == class_id)]
            if width < _OUTLINED:
                for ring in chosen:
                    cv2.fillPoly(self._canvas, [ring], color, cv2.LINE_AA, _BITS)
            else:
                thickness = max(1, round(width / 14))
                cv2.polylines(self._canvas, chosen, True, color, thickness, cv2.LINE_AA, _BITS)

    def _finish(self) -> None:
        height, width = self._canvas.shape[:2]
        size = int(np.clip(np.sqrt(height * width) / 55, 14, 44))
        draw_scale_bar(self._canvas, self.context.mpp_x / self._scale, size)
        classes = list(self.context.taxonomy.classes)
        if self._counts[UNCLASSIFIED.id]:
            classes.append(UNCLASSIFIED)
        counts = [(c, int(self._counts[c.id])) for c in classes]
        context = self.context
        model = f"{context.model} {context.model_version}".strip()
        panel = legend(context.slide, model, counts, height, size)
        picture = np.full((len(panel), width + panel.shape[1], 3), 255, np.uint8)
        picture[:height, :width] = self._canvas
        picture[:, width:] = panel
        ok, png = cv2.imencode(".png", picture[:, :, ::-1])
        if not ok:
            raise OSError("the picture cannot be encoded as PNG")
        self.partial.write_bytes(png.tobytes())


def _picture(context: ExportContext) -> tuple[np.ndarray, float]:
    """Read the whole image at a size that can be shown; pixels of it for one of level 0."""
    if context.read is None:
        raise KaryoscopeError("an overlay needs the pixels of the slide, and none are at hand")
    width, height = context.size
    longest = max(width, height)
    if longest > _LONGEST:
        step = -(-longest // _LONGEST)
        return _reduced(context, context.read, step), 1 / step
    factor = int(np.clip(round(_COMFORTABLE / longest), 1, _MOST_ENLARGED))
    picture = context.read(0, 0, width, height, None)
    if factor > 1:
        shape = (width * factor, height * factor)
        picture = cv2.resize(picture, shape, interpolation=cv2.INTER_CUBIC)
    return picture, float(factor)


def _reduced(context: ExportContext, read: Reader, step: int) -> np.ndarray:
    """The whole image with each ``step`` by ``step`` pixels made one."""
    width, height = context.size
    columns, rows = -(-width // step), -(-height // step)
    if context.mpp_x == context.mpp_y:
        return read(0, 0, columns, rows, context.mpp * step)
    # A grid with one mpp would have other proportions than level 0.
    picture = np.empty((rows, columns, 3), np.uint8)
    for top in range(0, rows, _STRIP):
        strip = picture[top : top + _STRIP]
        full = read(0, top * step, columns * step, len(strip) * step, None)
        strip[:] = cv2.resize(full, (columns, len(strip)), interpolation=cv2.INTER_AREA)
    return picture
