"""Inner maps and one contour map (Qu et al. 2019, sections 2.2 and 2.3).

Each pixel takes its most probable label among background, the inner parts of each class and the
contour. Contour pixels are dropped, which parts crowded nuclei; the connected inner parts are the
nuclei, small ones are removed, and each is dilated by a disc, without running into another, to
make up for the contour. The paper calls the last step "a simple morphological dilation"; the
constants (20 pixels, a disc of radius 1) are those of the authors' published program, read as
pixels of 0.25 µm.

The authors give a nucleus the class of most of its pixels; here, as everywhere in this package, it
is the class with the largest summed probability.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np

from karyoscope.core.kernels import njit
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.postprocessing.base import PostProcessing
from karyoscope.postprocessing.labelling import fill_holes, label_larger, largest_parts
from karyoscope.postprocessing.parameters import NonNegative, Parameters, TuningRange
from karyoscope.postprocessing.tabulate import class_stride


class ContourParameters(Parameters):
    """Parameters of :func:`segment`.

    Attributes
    ----------
    min_inner_um2 : float
        Smaller inner parts are removed; µm²; 20 pixels at 0.25 µm/px.
    dilation_um : float
        Radius of the disc in µm; 1 pixel at 0.25 µm/px. Rounded to whole pixels, at least one.
    """

    min_inner_um2: Annotated[NonNegative, TuningRange((0.5, 1.25, 3.0, 5.0))] = 1.25
    dilation_um: Annotated[NonNegative, TuningRange((0.25, 0.5, 0.75, 1.0))] = 0.25


def segment(
    maps: Mapping[str, np.ndarray], params: ContourParameters, taxonomy: Taxonomy, mpp: float
) -> np.ndarray:
    """Segment nuclei from class and contour probabilities.

    Parameters
    ----------
    maps : mapping
        ``tp``, float32 (h', w', k + 1), background first, and ``contour``, float32 (h, w): the
        probabilities of one softmax.
    params : ContourParameters
        Lengths.
    taxonomy : Taxonomy
        The k classes of the map.
    mpp : float
        µm per pixel of the maps.

    Returns
    -------
    ndarray of int32, shape (h, w)
        Connected labels without holes.
    """
    contour = np.ascontiguousarray(maps["contour"], np.float32)
    tp = np.ascontiguousarray(maps["tp"], np.float32)
    inner = inner_pixels(tp, contour, class_stride(tp, contour.shape, taxonomy))
    labels = label_larger(inner, max(1, round(params.min_inner_um2 / mpp**2)))
    labels = dilate(labels, max(1, round(params.dilation_um / mpp)))
    largest_parts(labels)
    fill_holes(labels)
    return labels


@njit
def inner_pixels(tp, contour, stride):
    """Mask of the pixels whose most probable label is a class: uint8, shape (h, w)."""
    height, width = contour.shape
    mask = np.empty((height, width), np.uint8)
    column = np.arange(width) // stride
    for y in range(height):
        line = tp[y // stride]
        for x in range(width):
            p = line[column[x]]
            best = np.float32(-1)
            for c in range(1, len(p)):
                best = max(best, p[c])
            mask[y, x] = best > p[0] and best > contour[y, x]
    return mask


def dilate(labels: np.ndarray, radius: int) -> np.ndarray:
    """Give background pixels within ``radius`` of a label the nearest one: int32, shape (h, w)."""
    reach = np.arange(-radius, radius + 1)
    square = reach[:, None] ** 2 + reach**2
    order = np.argsort(square, axis=None, kind="stable")
    order = order[np.sort(square, axis=None) <= radius**2][1:]
    rows, columns = np.unravel_index(order, square.shape)
    return _nearest(labels, rows, columns, radius)


@njit
def _nearest(labels, rows, columns, radius):
    height, width = labels.shape
    grown = labels.copy()
    for y in range(height):
        for x in range(width):
            if labels[y, x] != 0:
                continue
            for i in range(len(rows)):
                ny, nx = y + rows[i] - radius, x + columns[i] - radius
                if 0 <= ny < height and 0 <= nx < width and labels[ny, nx] != 0:
                    grown[y, x] = labels[ny, nx]
                    break
    return grown


CONTOUR = PostProcessing("contour", ("contour", "tp"), ContourParameters, segment)
