"""Where TIFF files record the size of a pixel: Aperio, OME, ImageJ and the resolution tags."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree

import tifffile

from karyoscope.core.scale import is_plausible
from karyoscope.slides.described_size import doubt_by_aperio, doubt_by_ome
from karyoscope.slides.scale import RecordedScale, differ
from karyoscope.slides.units import micrometres

_MICROMETRES_OF_RESOLUTION_UNIT = {2: 25_400.0, 3: 10_000.0, 4: 1_000.0, 5: 1.0}


def recorded_scale(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> RecordedScale:
    """Scale of one image of a TIFF file.

    The first plausible of: Aperio's description, OME-XML, ImageJ's unit, the resolution tags. An
    implausible one (72 dpi is 353 µm) is returned only where there is no better. A plausible one
    that differs from the first is a doubt, and so are metadata of an image of another size, which
    a program that reduced the image may have kept as they were.
    """
    page = series.keyframe
    aperio_mpp, objective = _aperio(page.description) if tif.is_svs else (None, None)
    place = next(place for place, found in enumerate(tif.series) if found is series)
    ome_mpp, ome_objective, ome_size = _ome(tif.ome_metadata or "", place)
    found = {
        "its Aperio description": aperio_mpp,
        "its OME metadata": ome_mpp,
        "ImageJ": _imagej(tif, page),
        "its resolution tags": _resolution_tags(page),
    }
    stated = {source: mpp for source, mpp in found.items() if mpp is not None}
    plausible = {source: mpp for source, mpp in stated.items() if all(map(is_plausible, mpp))}
    mpp = next(iter((plausible or stated).values()), None)
    doubt = _doubt(mpp, plausible, objective)
    if not doubt and mpp and mpp is aperio_mpp:
        doubt = doubt_by_aperio(page.description, page.imagewidth, page.imagelength)
    elif not doubt and mpp and mpp is ome_mpp:
        doubt = doubt_by_ome(ome_size, page.imagewidth, page.imagelength)
    return RecordedScale(mpp, objective or ome_objective, doubt)


def _doubt(
    mpp: tuple[float, float] | None,
    plausible: Mapping[str, tuple[float, float]],
    aperio_objective: float | None,
) -> str:
    """What contradicts a pixel size, for a person to read."""
    for source, other in plausible.items():
        if mpp and differ(other, mpp):
            return f"{other[0]:g} by {source}"
    # Aperio's is the magnification of the image; elsewhere it is that of the lens alone.
    power = aperio_objective or 0
    if mpp and is_plausible(mpp[0]) and power > 0 and not 2 / 3 < mpp[0] * power / 10 < 3 / 2:
        return f"{power:g}x, which is about {10 / power:g}"
    return ""


def _aperio(description: str) -> tuple[tuple[float, float] | None, float | None]:
    fields: dict[str, str] = {}
    for item in description.split("|"):
        key, equals, value = item.partition("=")
        if equals:
            fields[key.strip()] = value.strip()
    mpp = _number(fields.get("MPP"))
    return (mpp, mpp) if mpp is not None else None, _number(fields.get("AppMag"))


def _number(text: str | None) -> float | None:
    # Scanners in some countries write a decimal comma.
    match = re.match(r"[-+]?\d*[.,]?\d+(?:[eE][-+]?\d+)?", (text or "").strip())
    return float(match[0].replace(",", ".")) if match else None


def _ome(
    metadata: str, image: int
) -> tuple[tuple[float, float] | None, float | None, tuple[int, int] | None]:
    """Pixel size, magnification and size in pixels of an image of OME-XML."""
    try:
        root = ElementTree.fromstring(metadata)
    except ElementTree.ParseError:
        return None, None, None
    images = [found for found in root.findall(".//{*}Image") if found.find("{*}Pixels") is not None]
    if not images:
        return None, None, None
    described = images[min(image, len(images) - 1)]
    power, pixels = _ome_objective(root, described), described.find("{*}Pixels")
    assert pixels is not None
    sizes = []
    for axis in "XY":
        size = _number(pixels.get(f"PhysicalSize{axis}"))
        unit = micrometres(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        sizes.append(size * unit if size is not None and unit else None)
    x, y = sizes
    lengths = [_number(pixels.get(f"Size{axis}")) or 0 for axis in "XY"]
    extent = (int(lengths[0]), int(lengths[1])) if all(0 < n < 1e9 for n in lengths) else None
    return (x, y) if x is not None and y is not None else None, power, extent


def _ome_objective(root: ElementTree.Element, image: ElementTree.Element) -> float | None:
    """Magnification of the objective of an image; of several without a reference, none."""
    settings = image.find("{*}ObjectiveSettings")
    wanted = None if settings is None else settings.get("ID")
    powers = {
        objective.get("ID"): _number(objective.get("NominalMagnification"))
        for objective in root.findall(".//{*}Objective[@NominalMagnification]")
    }
    if wanted in powers:
        return powers[wanted]
    different = set(powers.values())
    return different.pop() if len(different) == 1 else None


def channel_names(metadata: str | None, image: int) -> tuple[str, ...]:
    """Names of the channels of an image in OME-XML; none where they have none."""
    try:
        images = ElementTree.fromstring(metadata or "").findall(".//{*}Image/{*}Pixels")
    except ElementTree.ParseError:
        return ()
    if not images:
        return ()
    channels = images[min(image, len(images) - 1)].findall("{*}Channel")
    return tuple(name for c in channels if (name := c.get("Name") or c.get("Fluor")))


def _imagej(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> tuple[float, float] | None:
    unit = str((tif.imagej_metadata or {}).get("unit", ""))
    return _from_resolution(page, micrometres(unit))


def _resolution_tags(page: tifffile.TiffPage) -> tuple[float, float] | None:
    unit = int(page.tags.valueof(296, 1) or 1)
    return _from_resolution(page, _MICROMETRES_OF_RESOLUTION_UNIT.get(unit))


def _from_resolution(
    page: tifffile.TiffPage, micrometres: float | None
) -> tuple[float, float] | None:
    sizes = []
    for code in (282, 283):
        value = page.tags.valueof(code)
        if micrometres is None or not value or 0 in value:
            return None
        sizes.append(micrometres * value[1] / value[0])
    return sizes[0], sizes[1]
