"""Where TIFF files record the size of a pixel: Aperio, OME, ImageJ and the resolution tags."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree

import tifffile

from karyoscope.slides.scale import RecordedScale, differ, is_plausible

_MICROMETRES = {"nm": 1e-3, "µm": 1.0, "um": 1.0, "micron": 1.0, "mm": 1e3, "cm": 1e4, "m": 1e6}
_MICROMETRES_OF_RESOLUTION_UNIT = {2: 25_400.0, 3: 10_000.0, 4: 1_000.0, 5: 1.0}


def recorded_scale(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> RecordedScale:
    """Scale of one image of a TIFF file.

    The first plausible of: Aperio's description, OME-XML, ImageJ's unit, the resolution tags. An
    implausible one (72 dpi is 353 µm) is returned only where there is no better; a plausible one
    that differs from the first is a doubt.
    """
    page = series.keyframe
    aperio_mpp, objective = _aperio(page.description) if tif.is_svs else (None, None)
    place = next(place for place, found in enumerate(tif.series) if found is series)
    ome_mpp, ome_objective = _ome(tif.ome_metadata, place) if tif.ome_metadata else (None, None)
    found = {
        "its Aperio description": aperio_mpp,
        "its OME metadata": ome_mpp,
        "ImageJ": _imagej(tif, page),
        "its resolution tags": _resolution_tags(page),
    }
    stated = {source: mpp for source, mpp in found.items() if mpp is not None}
    plausible = {source: mpp for source, mpp in stated.items() if all(map(is_plausible, mpp))}
    mpp = next(iter((plausible or stated).values()), None)
    return RecordedScale(mpp, objective or ome_objective, _doubt(mpp, plausible, objective))


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


def _ome(metadata: str, image: int) -> tuple[tuple[float, float] | None, float | None]:
    try:
        root = ElementTree.fromstring(metadata)
    except ElementTree.ParseError:
        return None, None
    objective = root.find(".//{*}Objective[@NominalMagnification]")
    power = _number(objective.get("NominalMagnification")) if objective is not None else None
    images = root.findall(".//{*}Image/{*}Pixels")
    if not images:
        return None, power
    pixels = images[min(image, len(images) - 1)]
    sizes = []
    for axis in "XY":
        size = _number(pixels.get(f"PhysicalSize{axis}"))
        unit = _MICROMETRES.get(pixels.get(f"PhysicalSize{axis}Unit", "µm").replace("μ", "µ"))
        sizes.append(size * unit if size is not None and unit else None)
    x, y = sizes
    return (x, y) if x is not None and y is not None else None, power


def _imagej(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> tuple[float, float] | None:
    unit = str((tif.imagej_metadata or {}).get("unit", "")).replace("\\u00B5", "µ")
    return _from_resolution(page, _MICROMETRES.get(unit))


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
