"""Nuclei as layers of napari: label images, outlines, points.

Positions are in pixels of level 0, as napari shows an image that it opened itself. napari counts
from the centre of the first pixel, karyoscope from its corner, so outlines move by half a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.napari_plugin.table import NucleusTable

Layer = tuple[Any, dict[str, Any], str]
"""Data, settings and kind of a layer, as plugins of napari return them."""

KEY = "karyoscope"
"""Key of the metadata of a layer that holds ``{"slide": name}``; layers of one slide are linked."""

MOST_OUTLINES = 20_000
"""Nuclei that are shown by their outlines; of more, which napari would draw slowly, points are."""


def labels_layer(
    levels: Sequence[Any], table: NucleusTable | None, slide: str, **settings: Any
) -> Layer:
    """Return a label image as a layer, in the colours of the classes.

    Parameters
    ----------
    levels : sequence of array-like of uint32, shape (h, w)
        Levels of the pyramid, the largest first; one if there is no pyramid. Each pixel has the id
        of its nucleus.
    table : NucleusTable or None
        Classes, colours and features; without it napari picks the colours.
    slide : str
        Name of the slide, which links the layers of a slide.
    **settings
        Further settings of the layer, such as ``scale``.
    """
    about: dict[str, Any] = {"name": f"{slide} nuclei", "metadata": {KEY: {"slide": slide}}}
    if table is not None:
        about["features"] = table.label_features()
        colors = table.label_colors()
        if colors is not None:
            about["colormap"] = colors
    data = list(levels) if len(levels) > 1 else levels[0]
    return data, {**about, "multiscale": len(levels) > 1, **settings}, "labels"


def nuclei_layer(nuclei: Nuclei, slide: str, **settings: Any) -> Layer:
    """Return nuclei as a layer of outlines or, if there are many, of points; see below."""
    return outlines_layer(
        NucleusTable.of(nuclei), nuclei.vertices, nuclei.offsets, slide, **settings
    )


def outlines_layer(
    table: NucleusTable,
    vertices: np.ndarray,
    offsets: np.ndarray,
    slide: str,
    **settings: Any,
) -> Layer:
    """Return outlines as a layer of polygons, or of points if there are too many to draw.

    Parameters
    ----------
    table : NucleusTable
        Of ``n`` nuclei.
    vertices, offsets : ndarray, shapes (v, 2) and (n + 1,)
        Outlines as :class:`~karyoscope.Nuclei` has them, x and y in pixels of level 0.
    slide : str
        See :func:`labels_layer`.
    **settings
        Further settings of the layer.
    """
    places = vertices[:, ::-1].astype(np.float64) - 0.5
    about: dict[str, Any] = {
        "metadata": {KEY: {"slide": slide}},
        "features": table.features(),
        "opacity": 1.0,
    }
    if len(table) > MOST_OUTLINES:
        counts = np.diff(offsets)[:, None]
        centres = np.add.reduceat(places, offsets[:-1]) / counts
        about |= {"name": f"{slide} centres", "face_color": table.rgba(), "size": 10}
        return centres, {**about, "border_width": 0, **settings}, "points"
    about["name"] = f"{slide} outlines"
    rings = [places[a:b] for a, b in pairwise(offsets)]
    if rings:
        about |= {"shape_type": "polygon", "edge_color": table.rgba(), "edge_width": 1.0}
        about["face_color"] = "transparent"
    return rings, {**about, **settings}, "shapes"
