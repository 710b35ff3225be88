"""Maps of a whole image at once, for images that are small: tuning and validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from karyoscope.inference import Maps
from karyoscope.pipeline.tiling.blocks import Layout
from karyoscope.pipeline.tiling.mosaic import Mosaic


def image_maps(
    predict: Callable[[np.ndarray], Maps],
    rgb: np.ndarray,
    strides: Mapping[str, int],
    context: int = 32,
    largest: int = 1600,
) -> Maps:
    """Run a model over an image, window by window as :func:`stream_nuclei` does.

    Parameters
    ----------
    predict : callable
        Such as :meth:`karyoscope.inference.Model.predict`.
    rgb : ndarray of uint8, shape (h, w, 3)
        Image at the model's scale.
    strides : dict of str to int
        Maps wanted, and their strides.
    context, largest : int
        See :class:`~karyoscope.pipeline.tiling.blocks.Layout`.

    Returns
    -------
    dict of str to ndarray of float32
    """
    height, width = rgb.shape[:2]
    layout = Layout(width, height, context, largest=largest)
    mosaic = Mosaic(strides)
    windows = layout.windows(layout.bounds)
    for window in windows:
        box = window.read
        mosaic.put(window, predict(rgb[box.top : box.bottom, box.left : box.right]))
    return mosaic.assemble(layout.bounds, windows)
