"""A region of a slide that a person reviewed, as an annotated image."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

import numpy as np

from karyoscope.core.reviewed import reviewed_window
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets.base import Record, Sample
from karyoscope.datasets.polygons import paint

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry


class Pixels(Protocol):
    """Interface for reading a slide, which :class:`karyoscope.slides.Slide` has."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height at level 0."""

    @property
    def mpp(self) -> float:
        """Micrometres per pixel of level 0."""

    def read(self, x: int, y: int, width: int, height: int, /) -> np.ndarray:
        """RGB at level 0: uint8, shape (height, width, 3)."""


def reviewed_sample(
    slide: Pixels,
    stem: str,
    region: BaseGeometry,
    number: int,
    nuclei: Iterable[tuple[BaseGeometry, str]],
    taxonomy: Taxonomy,
    label: str | None = None,
) -> Sample:
    """Cut the bounding box of a reviewed region out of a slide, with the nuclei in it.

    In the region every nucleus is right and none is missing. Pixels outside of it, and those of
    nuclei whose centroid is, become ``ignore``: they are neither trained on nor scored.

    Parameters
    ----------
    slide : Pixels
    stem : str
        Name of the slide without its suffix, which is the source of the image.
    region : shapely geometry
        Outline of the region, in pixels of level 0.
    number : int
        Number of the region; the image is called ``<stem>-<number>``.
    nuclei : iterable of (shapely geometry, str)
        Outlines in pixels of level 0, and the name of the class of each; empty where it is not
        known. Those that do not touch the box are passed over; where two overlap, the first has
        the pixels.
    taxonomy : Taxonomy
        Classes of these names.
    label : str, optional
        Name of the region, for messages.

    Raises
    ------
    KaryoscopeError
        If the region lies off the slide or is too large, or a class is unknown.
    """
    # Late, so that a bare GPU machine validates without.
    import shapely

    region, left, top, right, bottom = reviewed_window(
        shapely.make_valid(region), slide.size, label or f"region {number}"
    )
    shape = bottom - top, right - left
    inst_map, outside = np.zeros(shape, np.int32), np.zeros(shape, np.uint8)
    inside = np.zeros(shape, np.uint8)
    paint(inside, shapely.transform(region, lambda c: c - [left, top]), 1)
    box = shapely.box(left, top, right, bottom)
    classes = [0]
    for outline, name in nuclei:
        if not outline.intersects(box):
            continue
        here = shapely.transform(outline, lambda c: c - [left, top])
        if region.contains(outline.centroid):
            paint(inst_map, here, len(classes))
            classes.append(taxonomy.id_of(name) if name else 0)
        else:
            paint(outside, here, 1)
    ignore = ((inside == 0) | (outside > 0)) & (inst_map == 0)
    return Sample(
        Record(f"{stem}-{number}", stem),
        slide.read(left, top, shape[1], shape[0]),
        inst_map,
        np.array(classes, np.uint8),
        taxonomy,
        slide.mpp,
        ignore=ignore if ignore.any() else None,
    )
