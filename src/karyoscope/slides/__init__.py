"""Pixels in: slides and images of every format, read at a physical scale.

A new format is one file with a :class:`Slide` and one line in :data:`READERS`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.plugins import blamed, classes_in_files
from karyoscope.core.registry import Registry
from karyoscope.slides._sniff import first_bytes, not_a_slide
from karyoscope.slides.arguments import check_image
from karyoscope.slides.array import ArraySlide
from karyoscope.slides.base import Slide, UnsupportedLayout
from karyoscope.slides.dicom import DicomSlide
from karyoscope.slides.discover import find_slides
from karyoscope.slides.grid import Grid, Level
from karyoscope.slides.openslide_reader import OpenSlideSlide
from karyoscope.slides.quality import Quality
from karyoscope.slides.raster import RasterSlide
from karyoscope.slides.scenes import Scene
from karyoscope.slides.tiff import TiffSlide
from karyoscope.slides.tissue import Tissue, tissue_mask
from karyoscope.slides.zarr_reader import ZarrSlide

__all__ = [
    "READERS",
    "Grid",
    "Level",
    "Quality",
    "Scene",
    "Slide",
    "Tissue",
    "find_slides",
    "open_slide",
    "tissue_mask",
]

# In the order they are asked; a reader that finds a layout it cannot decode passes it on.
READERS: Registry[type[Slide]] = Registry(
    "slide reader",
    {
        reader.format: reader
        for reader in (
            ArraySlide,
            TiffSlide,
            OpenSlideSlide,
            DicomSlide,
            ZarrSlide,
            RasterSlide,
        )
    },
    group="karyoscope.slides",
    kind=Slide,
)


def open_slide(
    source: Any,
    mpp: float | None = None,
    override_mpp: float | None = None,
    *,
    scene: int | str | None = None,
) -> Slide:
    """Open an image by its content, whatever its suffix.

    Parameters
    ----------
    source : path, ndarray, PIL.Image.Image or xarray.DataArray
        A file, a folder of a format that is a folder, or an image in memory (see
        :class:`ArraySlide` and :func:`karyoscope.core.arrays.array_of`).
    mpp : float, optional
        Micrometres per pixel of level 0, where the file does not state it.
    override_mpp : float, optional
        Micrometres per pixel of level 0, whatever the file states.
    scene : int or str, optional
        Which image of a file that holds several (TIFF, OME-TIFF, OME-Zarr, DICOM), by number from
        1 or by name. The largest by default, with a warning that lists them; labels, macros and
        thumbnails do not count.

    Raises
    ------
    KaryoscopeError
        If it is missing, empty, damaged, no image, of unknown pixel size, or has no such scene, or
        an argument is of a wrong kind.

    Examples
    --------
    >>> import numpy as np
    >>> slide = open_slide(np.zeros((10, 20, 3), np.uint8), mpp=0.25)
    >>> slide.grid(0.5)
    Grid(width=10, height=5, scale_x=2.0, scale_y=2.0)
    >>> slide.read(-1, 0, 3, 2, mpp=0.5)[0, :, 0]
    array([255,   0,   0], dtype=uint8)
    """
    image = check_image(source, mpp=mpp, override_mpp=override_mpp)
    if not isinstance(image, Path):
        return ArraySlide(image, mpp, override_mpp, scene=scene)
    path = image
    head = first_bytes(path)
    refusal: KaryoscopeError | None = None
    for reader in _readers():
        with blamed():
            if not reader.recognises(path, head):
                continue
            try:
                return reader(path, mpp, override_mpp, scene=scene)
            except UnsupportedLayout as error:
                refusal = refusal or error
    raise refusal or not_a_slide(path, head)


def _readers() -> Iterator[type[Slide]]:
    """Readers in the order they are asked: of files that the user named, ours, of packages."""
    yield from classes_in_files(Slide)
    yield from READERS.values()
    yield from (reader for _, reader in READERS.installed())
