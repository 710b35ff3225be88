"""Arguments of the functions that segment: of the right kind, or one line."""

from __future__ import annotations

from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.slides.arguments import check_image


def check_arguments(source: Any, mpp: Any, roi: Any, tissue: Any = None) -> str | Path | np.ndarray:
    """Refuse arguments of a wrong type or value; return the image as a path or an array.

    Raises
    ------
    KaryoscopeError
        If the image is neither a path nor an array, the pixel size is no number, the tissue is no
        path, or the region is neither the path of a file nor four whole numbers with a width and
        a height.
    """
    image = check_image(source, mpp=mpp)
    if tissue is not None and not isinstance(tissue, (str, Path)):
        kind = type(tissue).__name__
        raise KaryoscopeError(f'tissue is "auto", "none" or a GeoJSON file, not {kind}')
    _check_roi(roi)
    return image


def _check_roi(roi: Any) -> None:
    if roi is None or isinstance(roi, Path):
        return
    if isinstance(roi, str) and not roi.replace(",", "").strip().isdecimal():
        return
    try:
        fits = len(roi) == 4 and all(isinstance(edge, Integral) for edge in roi)
        fits = fits and roi[2] > 0 and roi[3] > 0
    except TypeError:
        fits = False
    if not fits:
        raise KaryoscopeError(
            f"roi={roi!r} is not (x, y, width, height) in whole pixels of level 0, nor a path"
        )
