"""Pixels in: slides and images of every format, read at a physical scale.

A new format is one file with a :class:`Slide` and one line in :data:`READERS`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.slides._sniff import first_bytes, not_a_slide
from karyoscope.slides.array import ArraySlide
from karyoscope.slides.base import Slide, UnsupportedLayout
from karyoscope.slides.dicom import DicomSlide
from karyoscope.slides.discover import find_slides
from karyoscope.slides.grid import Grid, Level
from karyoscope.slides.openslide_reader import OpenSlideSlide
from karyoscope.slides.raster import RasterSlide
from karyoscope.slides.tiff import TiffSlide
from karyoscope.slides.tissue import Tissue, tissue_mask
from karyoscope.slides.zarr_reader import ZarrSlide

__all__ = [
    "READERS",
    "Grid",
    "Level",
    "Slide",
    "Tissue",
    "find_slides",
    "open_slide",
    "tissue_mask",
]

READERS: list[type[Slide]] = [
    ArraySlide,
    TiffSlide,
    OpenSlideSlide,
    DicomSlide,
    ZarrSlide,
    RasterSlide,
]
"""In the order they are asked; a reader that finds a layout it cannot decode passes it on."""


def open_slide(source: str | Path | np.ndarray, mpp: float | None = None) -> Slide:
    """Open an image by its content, whatever its suffix.

    Parameters
    ----------
    source : path or ndarray
        A file, a folder of a format that is a folder, or an array (see :class:`ArraySlide`).
    mpp : float, optional
        Micrometres per pixel of level 0; overrides what the file states.

    Raises
    ------
    KaryoscopeError
        If it is missing, empty, damaged, no image, or of unknown pixel size.

    Examples
    --------
    >>> slide = open_slide(np.zeros((10, 20, 3), np.uint8), mpp=0.25)
    >>> slide.grid(0.5)
    Grid(width=10, height=5, scale_x=2.0, scale_y=2.0)
    >>> slide.read(-1, 0, 3, 2, mpp=0.5)[0, :, 0]
    array([255,   0,   0], dtype=uint8)
    """
    if isinstance(source, np.ndarray):
        return ArraySlide(source, mpp)
    path = Path(source)
    head = first_bytes(path)
    refusal: KaryoscopeError | None = None
    for reader in READERS:
        if reader.recognises(path, head):
            try:
                return reader(path, mpp)
            except UnsupportedLayout as error:
                refusal = refusal or error
    raise refusal or not_a_slide(path, head)
