"""Images and label images as elements of SpatialData (raster format 0.3, OME-NGFF 0.5, Zarr 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from karyoscope.formats.context import ExportContext
from karyoscope.formats.images.pyramid import level_sizes, render
from karyoscope.formats.images.spool import OutlineSpool

CHUNK = 1024
#: SpatialData 0.7 with ome-zarr from 0.16 on cannot write images again that have one level alone.
LEVELS = 2
_FORMAT = {"version": "0.3"}
_KINDS = {"c": "channel", "y": "space", "x": "space"}


def coordinate_systems(
    axes: Sequence[str], step: tuple[float, float], mpp: tuple[float, float]
) -> list[dict[str, Any]]:
    """Transformations of an element to ``global`` and to ``micrometers``.

    Parameters
    ----------
    axes : sequence of str
        Names of the element's axes in order, such as ``("y", "x")``.
    step : (float, float)
        Pixels of level 0 that one pixel of the element spans, along x and y.
    mpp : (float, float)
        Micrometres per pixel of level 0, along x and y.

    Returns
    -------
    list of dict
        ``global`` is in pixels of level 0.
    """

    def system(name: str) -> dict[str, Any]:
        units = [
            {"name": axis, "type": _KINDS[axis]} | ({} if axis == "c" else {"unit": "unit"})
            for axis in axes
        ]
        return {"name": name, "axes": units}

    def scale(factors: dict[str, float]) -> dict[str, Any]:
        values = [factors.get(axis, 1.0) for axis in axes]
        if all(value == 1 for value in values):
            return {"type": "identity"}
        return {"type": "scale", "scale": values}

    to_pixels = {"x": float(step[0]), "y": float(step[1])}
    to_um = {"x": step[0] * mpp[0], "y": step[1] * mpp[1]}
    return [
        {**scale(factors), "input": system("".join(axes)), "output": system(name)}
        for name, factors in (("global", to_pixels), ("micrometers", to_um))
    ]


def add_image(
    root: Any, name: str, picture: np.ndarray, step: float, context: ExportContext
) -> None:
    """Add an RGB image, (h, w, 3) uint8, of which each pixel spans ``step`` pixels of level 0."""
    axes = ("c", "y", "x")
    group = _group(root, "images", name)
    sizes = level_sizes((picture.shape[1], picture.shape[0]), LEVELS)
    for level, size in enumerate(sizes):
        smaller = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if level else picture
        group.create_array(
            f"s{level}",
            data=np.ascontiguousarray(np.moveaxis(smaller, -1, 0)),
            chunks=(3, CHUNK, CHUNK),
            dimension_names=axes,
        )
    channels = {"omero": {"channels": [{"label": label} for label in "rgb"]}}
    systems = coordinate_systems(axes, (step, step), (context.mpp_x, context.mpp_y))
    _describe(group, name, axes, len(sizes), systems, channels)


def add_labels(root: Any, name: str, spool: OutlineSpool, context: ExportContext) -> None:
    """Add the label image of spooled outlines, in bands of ``CHUNK`` pixels, at several levels."""
    axes = ("y", "x")
    group = _group(root, "labels", name)
    sizes = level_sizes(context.size, LEVELS)
    levels = [
        group.create_array(
            f"s{level}",
            shape=(height, width),
            chunks=(CHUNK, CHUNK),
            dtype=np.uint32,
            fill_value=0,
            dimension_names=axes,
        )
        for level, (width, height) in enumerate(sizes)
    ]

    def put(level: int, top: int, left: int, labels: np.ndarray) -> None:
        # Chunks without a nucleus are left out: what is absent is 0.
        if labels.any():
            height, width = labels.shape
            levels[level][top : top + height, left : left + width] = labels

    render(spool, sizes, CHUNK, put)
    root["labels"].attrs.update({"ome": {"labels": [name]}})
    systems = coordinate_systems(axes, (1, 1), (context.mpp_x, context.mpp_y))
    _describe(group, name, axes, len(sizes), systems, {})


def _group(root: Any, kind: str, name: str) -> Any:
    return root.require_group(kind).create_group(name)


def _describe(
    group: Any,
    name: str,
    axes: Sequence[str],
    levels: int,
    systems: list[dict[str, Any]],
    further: dict[str, Any],
) -> None:
    datasets = [
        {
            "path": f"s{level}",
            "coordinateTransformations": [
                {"type": "scale", "scale": [1.0 if a == "c" else 2.0**level for a in axes]}
            ],
        }
        for level in range(levels)
    ]
    multiscale = {
        "datasets": datasets,
        "name": name,
        "axes": [{"name": axis, "type": _KINDS[axis]} for axis in axes],
        "coordinateTransformations": systems,
    }
    ome = {**further, "version": "0.5-dev-spatialdata", "multiscales": [multiscale]}
    group.attrs.update({"ome": ome, "spatialdata_attrs": _FORMAT})
