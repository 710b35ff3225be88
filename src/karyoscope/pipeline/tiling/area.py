"""What part of a slide is analysed: a region of interest, and within it the tissue."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.regions import Region
from karyoscope.core.remarks import warn
from karyoscope.pipeline.tiling.blocks import WHOLE_PX, Box
from karyoscope.pipeline.tiling.outlines import OUTSIDE, Outlines
from karyoscope.slides import Slide, Tissue
from karyoscope.slides.grid import Grid

if TYPE_CHECKING:
    import shapely

Roi = tuple[int, int, int, int]
"""x, y, width and height in pixels of level 0."""


@dataclass(frozen=True)
class Area:
    """The part of a slide that is analysed.

    Attributes
    ----------
    grid : Grid
        The slide at the model's scale.
    box : Box
        The box around the area, in pixels of level 0.
    whole : bool
        Whether the box is all of the slide.
    tissue : Tissue, Outlines or None
        Region to analyse in the box; all of it if None.
    mask : Tissue or None
        Tissue that densities refer to, whatever is looked at; None where it cannot be found.
    """

    grid: Grid
    box: Box
    whole: bool
    tissue: Tissue | Outlines | None
    mask: Tissue | None = None

    @property
    def on_grid(self) -> Box:
        """Pixels of the grid that the box touches."""
        return Box(
            math.floor(self.box.left / self.grid.scale_x),
            math.floor(self.box.top / self.grid.scale_y),
            min(self.grid.width, math.ceil(self.box.right / self.grid.scale_x)),
            min(self.grid.height, math.ceil(self.box.bottom / self.grid.scale_y)),
        )

    def on_slide(self, part: Box) -> Box:
        """Pixels of level 0, in the area's box, that a part of the grid touches."""
        return self.box.shared(part.scaled(self.grid.scale_x, self.grid.scale_y))

    def measure(self, part: Box) -> float:
        """Number of pixels of level 0 in the selected area of a part of the grid."""
        window = self._window(part)
        if isinstance(self.tissue, Outlines):
            return self.tissue.measure(*window)
        if self.tissue is None or self.tissue.contains(*window):
            return window[2] * window[3]
        return 0.0

    def tissue_of(self, part: Box) -> float:
        """Area of tissue in a part of the grid, in pixels of level 0; NaN if unknown."""
        return math.nan if self.mask is None else float(self.tissue_cells(part)[2].sum())

    def tissue_cells(self, part: Box) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cells of the tissue mask in the selected region of a part of the grid.

        Returns
        -------
        x, y : ndarray of float, shape (n,)
            Centres of the cells with tissue, in pixels of level 0.
        pixels : ndarray of float, shape (n,)
            Tissue in each, in pixels of level 0. All three are empty if it is unknown.
        """
        if self.mask is None:
            return np.zeros(0), np.zeros(0), np.zeros(0)
        columns, rows, pixels = self.mask.cells(*self._window(part))
        row, column = np.nonzero(pixels)
        x, y, pixels = columns[column], rows[row], pixels[row, column]
        if isinstance(self.tissue, Outlines):
            held = self.tissue.hold(x, y)
            x, y, pixels = x[held], y[held], pixels[held]
        return x, y, pixels

    def lattice_in(self, part: Box, step: float) -> tuple[np.ndarray, np.ndarray]:
        """Centres of the square cells of a slide that lie in the selected region of a part.

        Parameters
        ----------
        part : Box
            Part of the grid.
        step : float
            Edge of a cell, in pixels of level 0.

        Returns
        -------
        x, y : ndarray of float, shape (n,)
            Positions are in pixels of level 0.
        """
        left, top, width, height = self._window(part)
        columns, rows = (
            (np.arange(math.ceil(a / step - 0.5), math.ceil((a + n) / step - 0.5)) + 0.5) * step
            for a, n in ((left, width), (top, height))
        )
        x, y = (centres.ravel() for centres in np.meshgrid(columns, rows))
        if isinstance(self.tissue, Outlines):
            held = self.tissue.hold(x, y)
            x, y = x[held], y[held]
        return x, y

    def shape_of(self, part: Box) -> shapely.Geometry:
        """What is wanted of a part of the grid that is analysed, in pixels of level 0."""
        import shapely

        x, y, width, height = self._window(part)
        box = shapely.box(x, y, x + width, y + height)
        if isinstance(self.tissue, Outlines):
            return shapely.intersection(self.tissue.geometry, box)
        return box

    def rings(self) -> tuple[np.ndarray, ...]:
        """Outlines of the area, in pixels of level 0, if a user drew it."""
        if not isinstance(self.tissue, Outlines):
            return ()
        return tuple(Region("", self.tissue.geometry).rings())

    @property
    def shown(self) -> Box:
        """The box, in pixels of level 0, that pictures of the area show."""
        if isinstance(self.tissue, Outlines) and not self.tissue.geometry.is_empty:
            return self.box.shared(self.tissue.box)
        return self.box

    def _window(self, part: Box) -> tuple[float, float, float, float]:
        """What of a part of the grid is in the box: x, y, width, height in pixels of level 0."""
        left, right = (
            min(max(x * self.grid.scale_x, self.box.left), self.box.right)
            for x in (part.left, part.right)
        )
        top, bottom = (
            min(max(y * self.grid.scale_y, self.box.top), self.box.bottom)
            for y in (part.top, part.bottom)
        )
        return left, top, right - left, bottom - top

    def keep(self, nuclei: Nuclei) -> Nuclei:
        """Nuclei, in pixels of level 0, whose centroid is in the area."""
        if not self.whole:
            nuclei = nuclei.crop(self.box.left, self.box.top, self.box.width, self.box.height)
        if isinstance(self.tissue, Outlines):
            nuclei = nuclei.take(self.tissue.hold(nuclei.x, nuclei.y))
        return nuclei


def area_of(
    slide: Slide,
    mpp: float,
    roi: Roi | str | Path | None = None,
    tissue: str | Path = "auto",
) -> Area:
    """Find what to analyse.

    Parameters
    ----------
    slide : Slide
        Slide to analyse.
    mpp : float
        µm per pixel of the model.
    roi : (x, y, width, height) or path, optional
        In pixels of level 0, or drawn, in a GeoJSON file; the whole slide by default. What is
        drawn is analysed all, without looking for tissue in it.
    tissue : {"auto", "none"} or path
        ``auto`` leaves blank glass out, ``none`` nothing; a GeoJSON file names the areas.

    Raises
    ------
    KaryoscopeError
        If the region lies outside the slide or the file cannot be used.
    """
    return with_tissue(slide, asked_area(slide, mpp, roi, tissue), tissue)


def asked_area(slide: Slide, mpp: float, roi: Roi | str | Path | None, tissue: str | Path) -> Area:
    """Return what the user asked for, before tissue is looked for in it.

    Parameters, and errors, are those of :func:`area_of`.
    """
    grid = slide.grid(mpp)
    whole = whole_of(slide)
    box = whole
    drawn: Outlines | None = None
    if isinstance(roi, (str, Path)):
        drawn = Outlines.read(roi, slide, "--roi")
        box = whole.shared(drawn.box)
    elif roi is not None:
        x, y, width, height = roi
        box = whole.shared(Box(x, y, x + width, y + height))
        region = f"the region {x},{y},{width},{height}"
        size = f"outside the slide, which has {whole.width} x {whole.height} pixels"
        if box.empty:
            raise KaryoscopeError(f"{slide.path or slide.name}: {region} lies {size}")
        beyond = 1 - box.width * box.height / (width * height)
        if beyond > OUTSIDE:
            warn(f"{100 * beyond:.0f} % of {region} lies {size}", stacklevel=3)
    outlines = drawn
    if tissue not in ("auto", "none"):
        outlines = Outlines.read(tissue, slide)
        outlines = outlines if drawn is None else outlines.shared(drawn)
    if outlines is not None and not outlines.measure(box.left, box.top, box.width, box.height) > 0:
        raise KaryoscopeError(f"{slide.path or slide.name}: --tissue {tissue} lies outside --roi")
    return Area(grid, box, box == whole, outlines)


def with_tissue(slide: Slide, area: Area, tissue: str | Path) -> Area:
    """Look for the tissue of a slide; it limits the area where ``tissue`` is ``auto``.

    Nothing is left out of small areas, nor of what the user drew.
    """
    mask = _tissue_of(slide)
    pixels = area.box.width * area.box.height / (area.grid.scale_x * area.grid.scale_y)
    limits = area.tissue is None and tissue == "auto" and pixels > WHOLE_PX
    return replace(area, tissue=mask if limits else area.tissue, mask=mask)


def whole_of(slide: Slide) -> Box:
    """Box of all of a slide, in pixels of level 0."""
    return Box(0, 0, *slide.size)


def _tissue_of(slide: Slide) -> Tissue | None:
    try:
        found = Tissue.of(slide)
        if found.doubt:
            warn(f"this does not look like H&E: {found.doubt}", stacklevel=3)
        return found
    except KaryoscopeError as error:
        # The thumbnail is damaged, but the slide itself may not be.
        warn(
            "tissue cannot be distinguished from glass, so the whole slide is analysed and no"
            f" density per mm² of tissue is given: {error}",
            stacklevel=3,
        )
        return None
