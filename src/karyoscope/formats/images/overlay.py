"""The picture with the outlines drawn on it, a legend and a scale bar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.drawing import (
    draw_box,
    draw_nuclei,
    draw_regions,
    draw_rings,
    draw_scale_bar,
    legend_panel,
)
from karyoscope.formats.base import Writer
from karyoscope.formats.context import ExportContext, Reader
from karyoscope.formats.images.insets import Insets
from karyoscope.formats.images.whole import enlarged, read_shown
from karyoscope.formats.summaries.tally import Tally

_LONGEST = 4000
_COMFORTABLE = 1600
_MOST_ENLARGED = 4
_MOST_INSETS = 3
_QUALITY = 90


class OverlayWriter(Writer):
    """JPEG: the image of at most 4000 pixels, outlines in the colours of the classes, a legend.

    Where a part of the slide was analysed it shows that part. Annotations are outlined and named.

    Larger images are reduced; small ones are enlarged, so that outlines stay thin beside the
    nuclei. Where a nucleus is only a few pixels wide it is filled instead of outlined. Images that
    do not fit on a screen have up to three details at full resolution below the legend. The image
    is read and drawn on in a thread of its own, so that nothing waits for it before the last block.
    """

    name = "overlay"
    about = "picture with outlines, legend and scale bar"
    opens_in = "any image viewer"
    suffix = ".overlay.jpg"
    reports_run = True

    _worker: ThreadPoolExecutor | None = None

    def _open(self) -> None:
        self.partial.touch()
        read = self.context.read
        if read is None:
            raise KaryoscopeError(
                "an overlay needs the pixels of the slide, which are not available"
            )
        self._insets = None
        if max(self.context.shown_box[2:]) > _COMFORTABLE:
            self._insets = Insets(self.context, read, self.scratch)
        self._tally = Tally(self.context)
        self._worker = ThreadPoolExecutor(1, "overlay")
        self._drawn: Future[None] = self._worker.submit(self._read, read)

    def _read(self, read: Reader) -> None:
        self._canvas, self._scale, self._corner = _picture(self.context, read)

    def _then(self, task: Callable[[], None]) -> None:
        """Begin a task once the one before it is done; that one's error is raised here."""
        assert self._worker is not None
        self._drawn.result()
        self._drawn = self._worker.submit(task)

    def _write(self, nuclei: Nuclei) -> None:
        self._tally.add(nuclei)
        self._then(lambda: draw_nuclei(self._canvas, nuclei, self._scale, *self._corner))
        if self._insets is not None:
            self._insets.add(nuclei)

    def _finish(self) -> None:
        self._drawn.result()
        height, width = self._canvas.shape[:2]
        size = int(np.clip(np.sqrt(height * width) / 55, 14, 44))
        self._draw_regions(round(0.8 * size))
        draw_scale_bar(self._canvas, self.context.mpp_x / self._scale, size)
        panel = self._panel(size)
        picture = np.full((max(height, len(panel)), width + panel.shape[1], 3), 255, np.uint8)
        picture[: len(panel), width:] = panel
        # After the panel, which marks on the canvas what its details show.
        picture[:height, :width] = self._canvas
        self.partial.write_bytes(_encoded(picture))
        self._release()

    def _release(self) -> None:
        if self._worker is not None:
            self._worker.shutdown(cancel_futures=True)

    def _draw_regions(self, size: int) -> None:
        draw_rings(self._canvas, self.context.outline, self._scale, self._corner)
        draw_regions(self._canvas, self.context.regions or (), self._scale, self._corner, size)

    def _panel(self, size: int) -> np.ndarray:
        """Legend and, where there is room, details below it."""
        context = self.context
        summary = self._tally.summary(self.run)
        counts = [
            (context.taxonomy.by_id(row["id"]), int(row["count"])) for row in summary["classes"]
        ]
        model = f"{context.model} {context.model_version}"
        head = legend_panel(context.slide, model, counts, size, _areas(summary))
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
        left, top = self.context.shown_box[:2]
        on_slide = corner[0] + left, corner[1] + top
        x, y = (
            round((value - start) * self._scale)
            for value, start in zip(on_slide, self._corner, strict=True)
        )
        draw_box(self._canvas, (x, y), round(self._insets.side * self._scale), number, size)
        draw_box(framed, (margin, 0), len(framed) - margin, number, size)


def _encoded(picture: np.ndarray) -> bytes | bytearray:
    """JPEG with colours at full resolution: outlines are one or two pixels wide."""
    # Not imported above: a machine that trains from a packed set has no codecs of slides.
    import imagecodecs

    # The same bytes as those of OpenCV, in half the time, most of which it takes to turn colours.
    try:
        return imagecodecs.jpeg8_encode(
            picture, level=_QUALITY, colorspace="rgb", outcolorspace="ycbcr", subsampling="444"
        )
    except imagecodecs.Jpeg8Error as error:
        raise OSError(f"the overlay cannot be encoded: {error}") from error


def _areas(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and value of the areas, and of the density that refers to the tissue."""
    values = summary["tissue_mm2"], summary["analysed_mm2"], summary["density_per_mm2"]
    names = ("tissue, mm²", ".3g"), ("analysed, mm²", ".3g"), ("per mm² of tissue", ",.0f")
    return [
        (name, format(value, spec))
        for (name, spec), value in zip(names, values, strict=True)
        if value is not None
    ]


def _fit(height: int, width: int, margin: int) -> tuple[int, int]:
    """Number and edge of the square details that fit below one another, none of them small."""
    for number in range(_MOST_INSETS, 0, -1):
        pixels = min(width, height // number - margin)
        if pixels >= 0.7 * width:
            return number, pixels
    return 0, 0


def _picture(context: ExportContext, read: Reader) -> tuple[np.ndarray, float, tuple[int, int]]:
    """Read what is shown at a size for a screen; pixels of it for one of level 0; its corner."""
    picture, scale, corner = read_shown(context, read, _LONGEST)
    if scale < 1:
        return picture, scale, corner
    longest = max(context.shown_box[2:])
    factor = int(np.clip(round(_COMFORTABLE / longest), 1, _MOST_ENLARGED))
    return enlarged(picture, factor), float(factor), corner
