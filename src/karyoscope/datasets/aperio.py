"""Outlines from Aperio ImageScope's XML."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.scale import is_plausible
from karyoscope.datasets.files import one_line

if TYPE_CHECKING:
    import shapely


@dataclass(frozen=True)
class AperioRegions:
    """Outlines of one XML file.

    Attributes
    ----------
    polygons : list of (str, Polygon)
        Name of the annotation layer, lower case, and outline in pixels; the name is that of the
        layer's attribute, else of the layer itself.
    mpp : float
        Micrometres per pixel as the file states, NaN where it states none that is plausible.
    """

    polygons: list[tuple[str, shapely.Polygon]]
    mpp: float


def read_aperio(path: Path) -> AperioRegions:
    """Read all regions of at least three vertices; an XML without any is not an error."""
    import shapely  # Late, so that a bare GPU machine validates without.

    try:
        root = ElementTree.parse(path).getroot()
        polygons = [
            (_layer_name(layer), shapely.Polygon(vertices))
            for layer in root.iter("Annotation")
            for region in layer.iter("Region")
            if len(vertices := _vertices(region)) >= 3
        ]
        mpp = float(root.get("MicronsPerPixel") or "nan")
    except (ElementTree.ParseError, TypeError, ValueError) as error:
        raise KaryoscopeError(f"{path}: not readable Aperio XML ({one_line(error)})") from error
    return AperioRegions(polygons, mpp if is_plausible(mpp) else math.nan)


def _layer_name(layer: ElementTree.Element) -> str:
    attribute = layer.find("Attributes/Attribute")
    name = attribute.get("Name") if attribute is not None else None
    return (name or layer.get("Name") or "").strip().lower()


def _vertices(region: ElementTree.Element) -> list[tuple[float, float]]:
    # A missing coordinate is None, which float() refuses: the file is named as damaged.
    return [(float(v.get("X")), float(v.get("Y"))) for v in region.iter("Vertex")]  # type: ignore[arg-type]
