"""The images of a TIFF file: pyramids, scenes and pages; labels and macros are left out."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

import tifffile

from karyoscope.slides.scenes import Scene, is_auxiliary

_REDUCED, _APERIO_MACRO = 1, 9


@dataclass(frozen=True)
class TiffImage:
    """One image of a file.

    Attributes
    ----------
    series : TiffPageSeries
    scene : Scene
    page : int or None
        Its place in a series that is a stack of equal pages; None where the series is the image.
    """

    series: tifffile.TiffPageSeries
    scene: Scene
    page: int | None = None


def images_of(tif: tifffile.TiffFile) -> list[TiffImage]:
    """Find the images of a file that may be the one to read, in its order.

    Labels, macros and thumbnails are left out, recognised by name, by Aperio's descriptions and by
    the tag of reduced images; and smaller copies of another image. Nothing is left out where
    nothing would be left.
    """
    names = _ome_names(tif)
    titled = [
        (series, names[place] if place < len(names) else _title(tif, series))
        for place, series in enumerate(tif.series)
    ]
    real = [
        (series, name)
        for place, (series, name) in enumerate(titled)
        if not is_auxiliary(name) and not _is_reduced(tif, series, place)
    ] or titled
    own = [
        (series, name)
        for series, name in real
        if not any(_is_copy(series, other) for other, _ in real if other is not series)
    ]
    return [image for series, name in own for image in _pages(series, name)]


def extra_axes(series: tifffile.TiffPageSeries) -> dict[str, int]:
    """Axes of a series beyond those of one image, with their lengths."""
    lengths = zip(series.axes, series.shape, strict=True)
    return {axis: length for axis, length in lengths if axis not in "YXS" and length > 1}


def _pages(series: tifffile.TiffPageSeries, name: str) -> list[TiffImage]:
    page = series.keyframe
    scene = Scene(name, page.imagewidth, page.imagelength)
    extra = extra_axes(series)
    if not extra or "C" in extra:
        return [TiffImage(series, scene)]
    return [TiffImage(series, scene, place) for place in range(len(series.pages))]


def _ome_names(tif: tifffile.TiffFile) -> list[str]:
    if not tif.is_ome:
        return []
    try:
        root = ElementTree.fromstring(tif.ome_metadata or "")
    except (ElementTree.ParseError, ValueError):
        return []
    return [image.get("Name") or "" for image in root.findall("{*}Image")]


def _title(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> str:
    """Name of an image: the series' own, or what Aperio writes in the second line."""
    if tif.is_svs:
        lines = series.keyframe.description.splitlines()[1:2]
        word = lines[0].partition(" ")[0] if lines else ""
        return word if is_auxiliary(word) else ""
    description = series.keyframe.description.strip()
    return description if 0 < len(description) <= 80 and "{" not in description else ""


def _is_reduced(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries, place: int) -> bool:
    page = series.keyframe
    # Aperio's thumbnail has no mark; of its images the first alone need not have tiles.
    if tif.is_svs and place > 0 and not page.is_tiled:
        return True
    return int(page.subfiletype or 0) in (_REDUCED, _APERIO_MACRO)


def _is_copy(series: tifffile.TiffPageSeries, other: tifffile.TiffPageSeries) -> bool:
    """Tell whether an image has the shape of another, reduced."""
    small, large = series.keyframe, other.keyframe
    factor = large.imagewidth / small.imagewidth
    return factor >= 1.5 and abs(large.imagelength / factor - small.imagelength) <= 1.5
