"""Annotations of a slide, read from the GeoJSON of QuPath, as the regions that are counted."""

from __future__ import annotations

from pathlib import Path

from karyoscope.core.errors import KaryoscopeError, in_words_of_caller
from karyoscope.core.regions import DEFAULT_COLOR, Region, Regions, distinct_names
from karyoscope.core.remarks import warn
from karyoscope.pipeline.tiling.outlines import (
    OUTSIDE,
    extent_of,
    features_of,
    placed,
    valid_areas,
)
from karyoscope.slides import Slide

OPTION = "--annotations"


def read_annotations(path: str | Path, slide: Slide) -> Regions:
    """Read the annotations of a slide.

    Every object with an area is one region, a multipolygon too. Points, lines and what QuPath
    detected are left out, with a warning. Areas of the classes ``Ignore*`` are cut out of all
    others. What lies beyond the slide is cut off, with a warning.

    Parameters
    ----------
    path : path
        GeoJSON, in the coordinates that :meth:`Outlines.read` takes.
    slide : Slide

    Returns
    -------
    Regions
        The annotations in the file's order; none, with a warning, if the file holds no area.

    Raises
    ------
    KaryoscopeError
        If it cannot be read, or all of it lies beside the slide.
    """
    import shapely

    features = features_of(path, OPTION)
    whole = shapely.box(0, 0, *slide.size)
    drawn = [f for f in features if not f.is_detection]
    areas = [(feature, valid_areas(feature)) for feature in drawn]
    found = [(f, placed(area, slide)) for f, area in areas if area is not None]
    kept = [(f, area) for f, area in found if not f.ignored]
    out = shapely.union_all([area for f, area in found if f.ignored])
    _say(slide, path, _left_out(len(features) - len(drawn), len(drawn) - len(found)))
    if not kept:
        _say(slide, path, ["holds no annotation with an area"])
        return Regions()
    names = distinct_names((f.name, f.class_label) for f, _ in kept)
    inside = [shapely.intersection(area, whole) for _, area in kept]
    if not any(area.area > 0 for area in inside):
        label = slide.path or slide.name
        raise KaryoscopeError(f"{label}: {OPTION} {path} lies outside {extent_of(slide)}")
    beyond = [
        f"{name!r} lies {_share(part.area / area.area)} outside {extent_of(slide)}"
        for name, (_, area), part in zip(names, kept, inside, strict=True)
        if 1 - part.area / area.area > OUTSIDE
    ]
    _say(slide, path, beyond)
    return Regions(
        Region(
            name,
            shapely.difference(part, out),
            feature.class_label,
            feature.id,
            feature.color or DEFAULT_COLOR,
        )
        for name, (feature, _), part in zip(names, kept, inside, strict=True)
    )


def _share(inside: float) -> str:
    """Say which part of an area lies outside."""
    return f"{100 * (1 - inside):.0f} %" if inside > 0 else "all"


def _left_out(detections: int, shapeless: int) -> list[str]:
    """Say what a file holds that is no region."""
    lines = []
    if detections:
        lines.append(f"holds {detections} detections, which are no annotations: left out")
    if shapeless:
        lines.append(f"holds {shapeless} points, lines or objects without an area: left out")
    return lines


def _say(slide: Slide, path: str | Path, lines: list[str]) -> None:
    for line in lines:
        label = slide.path or slide.name
        warn(in_words_of_caller(f"{label}: {OPTION} {path}: {line}"), stacklevel=4)
