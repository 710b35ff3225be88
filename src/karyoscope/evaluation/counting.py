"""Cellular composition of one image by a model: how many nuclei of each class."""

from __future__ import annotations

import numpy as np

from karyoscope.inference import Model
from karyoscope.metrics.composition import CONIC_CROP, CONIC_PATCH, count_nuclei
from karyoscope.pipeline import segment


def composition(image: np.ndarray, mpp: float, model: Model) -> dict[str, int]:
    """Count the nuclei of each class, as in CoNIC's second task.

    The parameters are those that the bundle keeps for counting, where it has some. Of an image of
    256 x 256 pixels, nuclei with a pixel in the central 224 x 224 count; of any other, all.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3)
        RGB.
    mpp : float
        Micrometres per pixel.
    model : Model
        Result of :func:`karyoscope.load_model`.

    Returns
    -------
    dict of str to int
        Counts by class, in the order of the taxonomy.
    """
    nuclei = segment(image, mpp, model.for_counting(), tissue="none")
    height, width = image.shape[:2]
    crop = CONIC_CROP if (height, width) == (CONIC_PATCH, CONIC_PATCH) else None
    labels, classes = nuclei.labels_and_classes(width, height)
    counts = count_nuclei(labels, classes, model.taxonomy.ids, crop)
    return dict(zip(model.taxonomy.names, counts.tolist(), strict=True))
