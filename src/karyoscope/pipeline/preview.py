"""What will be analysed, as a small picture, before the work begins.

It shows at once whether the pixel size is right (the scale bar), whether the tissue was found (its
outline) and what is left out (faded).
"""

from __future__ import annotations

import warnings
from collections.abc import Collection
from pathlib import Path

import cv2
import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import write_bytes
from karyoscope.export._legend import FAINT, INK, draw_scale_bar, fit_text, put_text
from karyoscope.pipeline.area import Area, Outlines
from karyoscope.pipeline.blocks import Box, Layout
from karyoscope.slides import Slide, Tissue

PREVIEW_SUFFIX = ".preview.jpg"

_LONGEST = 1600
_TEXT = 22
_TISSUE = (0, 132, 61)
_REGION = (214, 51, 132)


def write_preview(
    out: Path, slide: Slide, area: Area, layout: Layout, wanted: Collection[int]
) -> None:
    """Write ``<stem>.preview.jpg``: thumbnail, tissue, region, and the blocks to run.

    Where the slide in small cannot be read there is a warning and no preview.

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
        warnings.warn(f"no preview: {error}", stacklevel=2)
        return
    chosen = set(wanted)
    owns = [block.own for index, block in enumerate(layout.blocks()) if index in chosen]
    parts = [area.on_slide(own) for own in owns]
    _fade_rest(picture, parts, scale)
    _outline_tissue(picture, area, scale)
    if not area.whole:
        left, top, right, bottom = (
            round(edge / scale)
            for edge in (area.box.left, area.box.top, area.box.right, area.box.bottom)
        )
        cv2.rectangle(picture, (left, top), (right, bottom), _REGION, 2)
    draw_scale_bar(picture, slide.mpp * scale, _TEXT)
    pixels = sum(area.measure(own) for own in owns)
    picture = np.vstack([_caption(slide, area, len(owns), pixels, picture.shape[1]), picture])
    _save(out / (slide.name + PREVIEW_SUFFIX), picture)


def _fade_rest(picture: np.ndarray, parts: list[Box], scale: float) -> None:
    """Fade what no block owns, in place."""
    rest = np.ones(picture.shape[:2], bool)
    for part in parts:
        rows = slice(int(part.top / scale), -int(-part.bottom // scale))
        columns = slice(int(part.left / scale), -int(-part.right // scale))
        rest[rows, columns] = False
    picture[rest] = (0.35 * picture[rest] + 0.65 * 205).astype(np.uint8)


def _outline_tissue(picture: np.ndarray, area: Area, scale: float) -> None:
    """Draw the outline of the tissue, or of the areas that someone drew, in place."""
    height, width = picture.shape[:2]
    if isinstance(area.tissue, Tissue):
        size = (
            round(area.tissue.mask.shape[1] * area.tissue.scale / scale),
            round(area.tissue.mask.shape[0] * area.tissue.scale / scale),
        )
        mask = cv2.resize(area.tissue.mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    elif isinstance(area.tissue, Outlines):
        x, y = np.meshgrid((np.arange(width) + 0.5) * scale, (np.arange(height) + 0.5) * scale)
        mask = area.tissue.hold(x.ravel(), y.ravel()).reshape(height, width).astype(np.uint8)
    else:
        return
    rings, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.polylines(picture, rings, True, _TISSUE, 2, cv2.LINE_AA)


def _caption(slide: Slide, area: Area, blocks: int, pixels: float, width: int) -> np.ndarray:
    """Strip with what is to be done in words."""
    strip = np.full((round(4.2 * _TEXT), width, 3), 255, np.uint8)
    x, y = slide.mpp_xy
    size = f"{slide.size[0]:,} x {slide.size[1]:,} px at {slide.mpp:.4g} µm/px"
    share = pixels / (slide.size[0] * slide.size[1])
    work = f"{blocks:,} blocks, {pixels * x * y * 1e-6:,.1f} mm² ({100 * share:.0f} % of the slide)"
    lines = ((f"{slide.name}: {size}", INK), (f"to analyse: {work}", FAINT))
    for row, (text, color) in enumerate(lines):
        place = (_TEXT, round((1.6 + 1.6 * row) * _TEXT))
        put_text(strip, fit_text(text, width - 2 * _TEXT, _TEXT), place, _TEXT, color)
    return strip


def _save(path: Path, picture: np.ndarray) -> None:
    _, data = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    write_bytes(path, data.tobytes())
