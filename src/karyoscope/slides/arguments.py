"""Arguments of the functions that open and read images: of the right kind, or one line."""

from __future__ import annotations

from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from karyoscope.core.arrays import array_of
from karyoscope.core.errors import KaryoscopeError

#: Most pixels of a window that is read at once; three bytes each.
MOST_PIXELS = 2**32


def check_image(source: Any, **scales: Any) -> str | Path | np.ndarray:
    """Refuse an image or a pixel size of a wrong type; return the image as a path or an array.

    Parameters
    ----------
    source : object
        What is to be a path, or an image as :func:`karyoscope.core.arrays.array_of` takes it.
    **scales : object
        What are to be numbers of micrometres per pixel, by the name of the argument; None passes.

    Raises
    ------
    KaryoscopeError
        If the image is neither a path nor an array, or a pixel size is no number.
    """
    image = array_of(source)
    if image is None and not isinstance(source, (str, PathLike)):
        kind = type(source).__name__
        raise KaryoscopeError(
            f"an image is a path, a NumPy array, a Pillow image or an xarray.DataArray, not {kind};"
            " numpy.asarray(image) may make one"
        )
    for name, mpp in scales.items():
        if mpp is not None and (isinstance(mpp, bool) or not isinstance(mpp, Real)):
            raise KaryoscopeError(f"{name}={mpp!r} is not a number of micrometres per pixel")
    return Path(source) if image is None else image


def check_window(x: Any, y: Any, width: Any, height: Any) -> None:
    """Refuse a window of an image that is not of whole pixels.

    Raises
    ------
    KaryoscopeError
        If a value is no whole number, the width or the height is negative, or the window has more
        than :data:`MOST_PIXELS`.
    """
    window = x, y, width, height
    if not all(isinstance(value, Integral) for value in window) or width < 0 or height < 0:
        raise KaryoscopeError(
            f"cannot read a window of {width} x {height} pixels at x {x}, y {y}: give whole numbers"
        )
    if width * height > MOST_PIXELS:
        raise KaryoscopeError(
            f"a window of {width} x {height} pixels does not fit in memory; read it in parts"
        )
