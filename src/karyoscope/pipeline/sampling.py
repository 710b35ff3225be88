"""Some of a slide's pixels that stand for all of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.pipeline.reading import LenientReader
from karyoscope.slides import Slide, Tissue
from karyoscope.slides.grid import Grid

#: Grids up to this many pixels are read whole.
_WHOLE_PX = 4_000_000
_EDGE = 256
_MOST = 64


def sample_windows(slide: Slide, mpp: float | None = None) -> Iterator[np.ndarray]:
    """Read a small slide whole, or 64 windows of 256 px spread evenly over a large one's tissue.

    They are at full detail, where stains are less mixed than on a thumbnail, and depend on the
    slide and the scale alone. What cannot be read is white.

    Parameters
    ----------
    slide : Slide
    mpp : float, optional
        Micrometres per pixel; the slide's own by default.

    Yields
    ------
    ndarray of uint8, shape (h, w, 3)
    """
    grid = slide.grid(mpp)
    read = LenientReader(slide).read
    if grid.width * grid.height <= _WHOLE_PX:
        yield read(0, 0, grid.width, grid.height, mpp)
        return
    cells = _tissue_cells(slide, grid)
    for k in np.unique(np.linspace(0, len(cells) - 1, min(_MOST, len(cells))).round().astype(int)):
        x, y = cells[k]
        yield read(x, y, min(_EDGE, grid.width - x), min(_EDGE, grid.height - y), mpp)


def sample_pixels(slide: Slide, mpp: float | None = None) -> np.ndarray:
    """Pixels of :func:`sample_windows`: ndarray of uint8, shape (n, 3)."""
    return np.concatenate([window.reshape(-1, 3) for window in sample_windows(slide, mpp)])


def _tissue_cells(slide: Slide, grid: Grid) -> list[tuple[int, int]]:
    """Corners of the cells that hold tissue, or of all where that cannot be told."""
    cells = [(x, y) for y in range(0, grid.height, _EDGE) for x in range(0, grid.width, _EDGE)]
    try:
        tissue = Tissue.of(slide)
    except KaryoscopeError:
        return cells
    width, height = _EDGE * grid.scale_x, _EDGE * grid.scale_y
    scale = grid.scale_x, grid.scale_y
    found = [c for c in cells if tissue.contains(c[0] * scale[0], c[1] * scale[1], width, height)]
    return found or cells
