"""What will be analysed, as a small picture, before the work begins.

It shows at once whether the pixel size is right (the scale bar), whether the tissue was found (its
outline) and what is left out (faded).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path

import cv2
import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import remove_leftovers, write_bytes
from karyoscope.core.remarks import warn
from karyoscope.pipeline.tiling.area import Area
from karyoscope.pipeline.tiling.blocks import Box, Layout
from karyoscope.pipeline.tiling.outlines import Outlines
from karyoscope.report.preview import Preview, draw_preview
from karyoscope.slides import Slide

PREVIEW_SUFFIX = ".preview.jpg"

_LONGEST = 1600
TEXT_PX = 22


def write_preview(
    out: Path, slide: Slide, area: Area, layout: Layout, wanted: Collection[int]
) -> None:
    """Write ``<stem>.preview.jpg``: thumbnail, tissue, region, and the blocks to run.

    Where the slide at low resolution cannot be read there is a warning and no preview.

    Parameters
    ----------
    out : Path
        Folder; it exists.
    slide : Slide
    area : Area
    layout : Layout
    wanted : collection of int
        Places of the blocks that will be run, among all of the layout.

    Raises
    ------
    KaryoscopeError
        If the file cannot be written.
    """
    try:
        picture, scale = slide.thumbnail(_LONGEST)
    except KaryoscopeError as error:
        warn(f"no preview: {error}", stacklevel=2)
        return
    chosen = set(wanted)
    owns = [block.own for index, block in enumerate(layout.blocks()) if index in chosen]
    pixels = sum(area.measure(own) for own in owns)
    tissue = sum(area.tissue_of(own) for own in owns)
    preview = Preview(
        picture,
        slide.mpp * scale,
        [_scaled(area.on_slide(own), scale) for own in owns],
        _tissue(picture.shape, area, scale),
        None if area.whole else _scaled(area.box, scale),
        _caption(slide, len(owns), pixels, tissue),
    )
    _save(out / (slide.name + PREVIEW_SUFFIX), draw_preview(preview, TEXT_PX))


def _scaled(box: Box, scale: float) -> tuple[float, float, float, float]:
    """Edges of a box of the slide in pixels of the picture."""
    return box.left / scale, box.top / scale, box.right / scale, box.bottom / scale


def _tissue(shape: tuple[int, ...], area: Area, scale: float) -> np.ndarray | None:
    """Mask of the tissue, or of the areas that someone drew, in pixels of the picture."""
    height, width = shape[:2]
    if isinstance(area.tissue, Outlines):
        x, y = np.meshgrid((np.arange(width) + 0.5) * scale, (np.arange(height) + 0.5) * scale)
        return area.tissue.hold(x.ravel(), y.ravel()).reshape(height, width).astype(np.uint8)
    if area.mask is not None:
        size = (
            round(area.mask.packed.shape[1] * area.mask.scale / scale),
            round(area.mask.packed.shape[0] * area.mask.scale / scale),
        )
        mask = area.mask.mask.astype(np.uint8)
        return cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
    return None


def _caption(slide: Slide, blocks: int, pixels: float, tissue: float) -> tuple[str, str]:
    """Size of the slide, and what is to be analysed."""
    x, y = slide.mpp_xy
    size = f"{slide.size[0]:,} x {slide.size[1]:,} px at {slide.mpp:.4g} µm/px"
    share = pixels / (slide.size[0] * slide.size[1])
    mm2 = x * y * 1e-6
    work = f"{blocks:,} blocks, {pixels * mm2:,.1f} mm² ({100 * share:.0f} % of the slide)"
    held = "" if math.isnan(tissue) else f", {tissue * mm2:,.2f} mm² of tissue"
    return f"{slide.name}: {size}", f"to analyse: {work}{held}"


def _save(path: Path, picture: np.ndarray) -> None:
    _, data = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    remove_leftovers(path)
    write_bytes(path, data.tobytes())
