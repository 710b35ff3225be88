"""The picture with the outlines drawn on it, a legend and a scale bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.process import give_back_memory
from karyoscope.drawing import (
    draw_box,
    draw_nuclei,
    draw_regions,
    draw_rings,
    draw_scale_bar,
    drawn_box,
    legend_panel,
)
from karyoscope.formats.base import Writer
from karyoscope.formats.context import ExportContext, Reader
from karyoscope.formats.images.canvas import TILE, Canvas
from karyoscope.formats.images.insets import Insets
from karyoscope.formats.images.whole import enlarged, read_in_strips, read_shown, shown_size
from karyoscope.formats.summaries.tally import Tally

_LONGEST = 4000
_COMFORTABLE = 1600
_MOST_ENLARGED = 4
_MOST_INSETS = 3
_QUALITY = 90
#: Rows of the picture that are read at once.
_STRIP = 2 * TILE


class OverlayWriter(Writer):
    """JPEG: the image of at most 4000 pixels, outlines in the colours of the classes, a legend.

    Where a part of the slide was analysed it shows that part. Annotations are outlined and named.

    Larger images are reduced; small ones are enlarged, so that outlines stay thin beside the
    nuclei. Where a nucleus is only a few pixels wide it is filled instead of outlined. Images that
    do not fit on a screen have up to three details at full resolution below the legend. The image
    is read and drawn on in a thread of its own, so that nothing waits for it before the last block.
    It lies on disk until then.
    """

    name = "overlay"
    about = "picture with outlines, legend and scale bar"
    opens_in = "any image viewer"
    suffix = ".overlay.jpg"
    reports_run = True

    _worker: ThreadPoolExecutor | None = None
    _canvas: Canvas | None = None
    _stopped: bool = False

    def _open(self) -> None:
        self.partial.touch()
        read = self.context.read
        if read is None:
            raise KaryoscopeError(
                "an overlay needs the pixels of the slide, which are not available"
            )
        self.scratch.mkdir()
        self._insets = None
        if max(self.context.shown_box[2:]) > _COMFORTABLE:
            self._insets = Insets(self.context, read, self.scratch / "outlines")
        self._tally = Tally(self.context)
        self._worker = ThreadPoolExecutor(1, "overlay")
        self._drawn: Future[None] = self._worker.submit(self._read, read)

    def _read(self, read: Reader) -> None:
        size, self._scale, self._corner, strips = _picture(self.context, read)
        self._canvas = Canvas(self.scratch / "canvas", size)
        for top, rows in strips:
            if self._stopped:
                return
            self._canvas.put(top, rows)
        give_back_memory()  # of the tiles that were read

    def _then(self, task: Callable[[], None]) -> None:
        """Begin a task once the one before it is done; that one's error is raised here."""
        assert self._worker is not None
        self._drawn.result()
        self._drawn = self._worker.submit(task)

    def _write(self, nuclei: Nuclei) -> None:
        self._tally.add(nuclei)
        self._then(lambda: self._draw(nuclei))
        if self._insets is not None:
            self._insets.add(nuclei)

    def _draw(self, nuclei: Nuclei) -> None:
        """Draw a block of nuclei on the part of the picture where they are."""
        assert self._canvas is not None
        self._canvas.draw(
            drawn_box(nuclei, self._scale, *self._corner),
            lambda part, first: draw_nuclei(part, nuclei, self._scale, *self._corner, first),
        )

    def _finish(self) -> None:
        self._drawn.result()
        assert self._canvas is not None
        width, height = self._canvas.size
        size = int(np.clip(np.sqrt(height * width) / 55, 14, 44))
        panel, details = self._panel(size)
        picture = np.full((max(height, len(panel)), width + panel.shape[1], 3), 255, np.uint8)
        picture[: len(panel), width:] = panel
        image = picture[:height, :width]
        for top, rows in self._canvas.bands():
            image[top : top + len(rows)] = rows
        draw_rings(image, self.context.outline, self._scale, self._corner)
        regions = self.context.regions or ()
        draw_regions(image, regions, self._scale, self._corner, round(0.8 * size))
        draw_scale_bar(image, self.context.mpp_x / self._scale, size)
        for number, corner in enumerate(details, 1):
            self._mark(image, corner, str(number), size)
        self.partial.write_bytes(_encoded(picture))
        self._release()

    def _release(self) -> None:
        self._stopped = True
        if self._worker is not None:
            self._worker.shutdown(cancel_futures=True)
        if self._canvas is not None:
            self._canvas.close()

    def _panel(self, size: int) -> tuple[np.ndarray, list[tuple[int, int]]]:
        """Legend and, where there is room, details below it; the corners of these."""
        assert self._canvas is not None
        context = self.context
        summary = self._tally.summary(self.run)
        counts = [
            (context.taxonomy.by_id(row["id"]), int(row["count"])) for row in summary["classes"]
        ]
        model = f"{context.model} {context.model_version}"
        head = legend_panel(context.slide, model, counts, size, _areas(summary))
        margin = round(1.5 * size)
        number, pixels = _fit(self._canvas.size[1] - len(head), head.shape[1] - 2 * margin, margin)
        if self._insets is None:
            return head, []
        parts = [head]
        corners = self._insets.choose(number)
        for corner in corners:
            detail = self._insets.picture(corner, pixels)
            draw_scale_bar(detail, context.mpp_x * self._insets.side / pixels, round(0.8 * size))
            framed = np.full((pixels + margin, head.shape[1], 3), 255, np.uint8)
            framed[:pixels, margin : margin + pixels] = detail
            draw_box(framed, (margin, 0), pixels, str(len(parts)), size)
            parts.append(framed)
        return np.concatenate(parts), corners

    def _mark(self, image: np.ndarray, corner: tuple[int, int], number: str, size: int) -> None:
        """Number the place of a detail on the picture."""
        assert self._insets is not None
        left, top = self.context.shown_box[:2]
        on_slide = corner[0] + left, corner[1] + top
        x, y = (
            round((value - start) * self._scale)
            for value, start in zip(on_slide, self._corner, strict=True)
        )
        draw_box(image, (x, y), round(self._insets.side * self._scale), number, size)


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


def _picture(
    context: ExportContext, read: Reader
) -> tuple[tuple[int, int], float, tuple[int, int], Iterator[tuple[int, np.ndarray]]]:
    """What is shown, at a size for a screen.

    Returns
    -------
    (int, int), float, (int, int)
        Width and height; pixels of it for one of level 0; its corner.
    iterator of (int, ndarray of uint8, shape (h, w, 3))
        First row, and the rows, of each strip.
    """
    longest = max(context.shown_box[2:])
    factor = int(np.clip(round(_COMFORTABLE / longest), 1, _MOST_ENLARGED))
    if factor == 1:
        strips = read_in_strips(context, read, _LONGEST, _STRIP)
        return *shown_size(context, _LONGEST), strips
    picture, _, corner = read_shown(context, read, _LONGEST)
    picture = enlarged(picture, factor)
    return (picture.shape[1], picture.shape[0]), float(factor), corner, iter([(0, picture)])
