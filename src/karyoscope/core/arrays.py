"""Images that other libraries hold in memory, as arrays; none of these libraries is imported."""

from __future__ import annotations

from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError

_CHANNELS = ("c", "channel", "channels", "band", "rgb", "rgba", "s", "sample")


def array_of(image: Any) -> np.ndarray | None:
    """Return an image in memory as an array, channels last; None for anything else.

    Parameters
    ----------
    image : ndarray, PIL.Image.Image or xarray.DataArray
        A Pillow image of any mode: palettes and other colour spaces become RGB, transparent ones
        RGBA. A DataArray has the dimensions ``y`` and ``x``, and may have one of channels (``c``,
        ``channel``, ``band``, ...) in any place; further ones must have length 1.

    Returns
    -------
    ndarray of shape (h, w) or (h, w, channels), or None

    Raises
    ------
    KaryoscopeError
        If the dimensions of a DataArray are not those of an image.
    """
    if isinstance(image, np.ndarray):
        return image
    classes = {f"{c.__module__.partition('.')[0]}.{c.__name__}" for c in type(image).__mro__}
    if "PIL.Image" in classes:
        return _of_pillow(image)
    if "xarray.DataArray" in classes:
        return _of_xarray(image)
    return None


def _of_pillow(image: Any) -> np.ndarray:
    if image.mode in ("L", "RGB", "RGBA") or image.mode.startswith(("I", "F")):
        return np.asarray(image)
    transparent = image.mode in ("LA", "PA", "La", "RGBa") or "transparency" in image.info
    return np.asarray(image.convert("RGBA" if transparent else "RGB"))


def _of_xarray(image: Any) -> np.ndarray:
    names = [str(name) for name in image.dims]
    channels = [name for name in names if name.lower() in _CHANNELS]
    lengths = dict(zip(names, image.shape, strict=True))
    further = [n for n in names if n not in ("y", "x", *channels[:1]) and lengths[n] != 1]
    if "y" not in names or "x" not in names or further:
        raise KaryoscopeError(
            f"an image has the dimensions y, x and one of channels, not {', '.join(names)}"
        )
    order = ["y", "x", *channels[:1]]
    kept = image.isel({name: 0 for name in image.dims if str(name) not in order})
    return np.asarray(kept.transpose(*order).values)
