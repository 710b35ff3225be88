"""The nuclei of an image that napari shows, as a label image that lies on it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.scale import same_scale
from karyoscope.napari_plugin.layers import Layer, labels_layer
from karyoscope.napari_plugin.table import NucleusTable
from karyoscope.pipeline import segment
from karyoscope.slides import open_slide

MOST_PIXELS = 100_000_000
"""Pixels of an image that is segmented in memory; larger ones go through files."""

_UM = {"nanometer": 1e-3, "micrometer": 1.0, "millimeter": 1e3}


def pixels_of(image: Any) -> np.ndarray:
    """Return the pixels of an image layer at its full resolution.

    Parameters
    ----------
    image : napari.layers.Image
        RGB, or of one channel.

    Returns
    -------
    ndarray, shape (h, w, 3 or 4) or (h, w)

    Raises
    ------
    KaryoscopeError
        If the layer is no picture in two dimensions, or too large to be segmented in memory.
    """
    data = image.data[0] if image.multiscale else image.data
    if len(data.shape) != (3 if image.rgb else 2):
        raise KaryoscopeError(f"layer {image.name!r} is no RGB image in two dimensions")
    height, width = data.shape[:2]
    if height * width > MOST_PIXELS:
        raise KaryoscopeError(
            f"layer {image.name!r} has {width} x {height} pixels, more than are segmented in"
            " memory: run `karyoscope segment` on its file, and open the results here"
        )
    return np.asarray(data)


def mpp_of(image: Any) -> float | None:
    """Return micrometres per pixel of an image layer; None if nothing states it.

    The scale of the layer is used where its units are lengths, else what the file states that the
    layer was read from.

    Parameters
    ----------
    image : napari.layers.Image
    """
    factors = [_UM.get(str(unit)) for unit in (getattr(image, "units", None) or ())[-2:]]
    if len(factors) == 2 and None not in factors:
        y, x = (f * float(s) for f, s in zip(factors, image.scale[-2:], strict=True) if f)
        return math.sqrt(x * y) if x > 0 and same_scale(x, y) else None
    path = getattr(image.source, "path", None)
    if not path or not Path(path).exists():
        return None
    try:
        with open_slide(path) as slide:
            data = image.data[0] if image.multiscale else image.data
            return slide.mpp if tuple(data.shape[:2]) == slide.size[::-1] else None
    except KaryoscopeError:
        return None


def placement(image: Any) -> dict[str, Any]:
    """Return the settings that put another layer in the place of an image layer."""
    settings = {
        name: getattr(image, name)
        for name in ("scale", "translate", "rotate", "shear", "units")
        if hasattr(image, name)
    }
    return {**settings, "affine": getattr(image.affine, "affine_matrix", image.affine)}


def segment_layer(image: Any, mpp: float | None, model: str, device: str, views: int) -> Layer:
    """Segment an image layer; a thread of its own may call it.

    Parameters
    ----------
    image : napari.layers.Image
    mpp : float or None
        Micrometres per pixel; None if they are unknown, which is an error.
    model, device, views
        See :func:`karyoscope.segment`, where ``views`` is ``tta``.

    Returns
    -------
    (data, settings, kind)
        A label image in the place of the image, with the features of each nucleus.

    Raises
    ------
    KaryoscopeError
        If the pixel size is unknown, or the image cannot be segmented.
    """
    if not mpp:
        raise KaryoscopeError(
            f"nothing states the pixel size of layer {image.name!r}: enter it in µm"
        )
    settings = placement(image)
    pixels = pixels_of(image)
    nuclei = segment(pixels, mpp, model, device=device, tta=views)
    height, width = pixels.shape[:2]
    labels = nuclei.label_image(width, height)
    return labels_layer([labels], NucleusTable.of(nuclei), Path(image.name).stem, **settings)
