"""Where TIFF files record the size of a pixel: Aperio, OME, ImageJ and the resolution tags."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import tifffile

from karyoscope.slides._scale import RecordedScale, is_plausible

_MICROMETRES = {"nm": 1e-3, "µm": 1.0, "um": 1.0, "micron": 1.0, "mm": 1e3, "cm": 1e4, "m": 1e6}
_MICROMETRES_OF_RESOLUTION_UNIT = {2: 25_400.0, 3: 10_000.0, 4: 1_000.0, 5: 1.0}


def recorded_scale(tif: tifffile.TiffFile) -> RecordedScale:
    """Scale of the first image of a TIFF file.

    The first plausible of: Aperio's description, OME-XML, ImageJ's unit, the resolution tags. An
    implausible one (72 dpi is 353 µm) is returned only where there is no better.
    """
    page = tif.pages.first
    aperio_mpp, objective = _aperio(page.description) if tif.is_svs else (None, None)
    ome_mpp, ome_objective = _ome(tif.ome_metadata) if tif.ome_metadata else (None, None)
    found = [
        mpp
        for mpp in (aperio_mpp, ome_mpp, _imagej(tif), _resolution_tags(page))
        if mpp is not None
    ]
    found.sort(key=lambda mpp: not all(map(is_plausible, mpp)))
    return RecordedScale(found[0] if found else None, objective or ome_objective)


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


def _ome(metadata: str) -> tuple[tuple[float, float] | None, float | None]:
    try:
        root = ElementTree.fromstring(metadata)
    except ElementTree.ParseError:
        return None, None
    objective = root.find(".//{*}Objective[@NominalMagnification]")
    power = _number(objective.get("NominalMagnification")) if objective is not None else None
    pixels = root.find(".//{*}Pixels")
    if pixels is None:
        return None, power
    sizes = []
    for axis in "XY":
        size = _number(pixels.get(f"PhysicalSize{axis}"))
        unit = _MICROMETRES.get(pixels.get(f"PhysicalSize{axis}Unit", "µm").replace("μ", "µ"))
        sizes.append(size * unit if size is not None and unit else None)
    x, y = sizes
    return (x, y) if x is not None and y is not None else None, power


def _imagej(tif: tifffile.TiffFile) -> tuple[float, float] | None:
    unit = str((tif.imagej_metadata or {}).get("unit", "")).replace("\\u00B5", "µ")
    return _from_resolution(tif.pages.first, _MICROMETRES.get(unit))


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
