"""Labels of images in which nuclei are points: what is known of each pixel.

In a label map of ids such an image has negative numbers, which every other target takes for pixels
without a label: :data:`BACKGROUND`, :data:`BETWEEN` two points, and one number for the pixels
around each point, from :data:`FIRST_POINT` down. See :func:`karyoscope.training.data.points`, where
they are made.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Ids of pixels far from every point, of pixels halfway between two points, and of those of the
#: first point; the next point has one less.
BACKGROUND, BETWEEN, FIRST_POINT = -2, -3, -4

#: Labels of :func:`point_labels`.
FAR, NUCLEUS, HALFWAY, UNKNOWN = 0, 1, 2, 255

#: Every class of nucleus, but not background: all bits but the first.
ANY_CLASS = -2


def point_labels(ids: Tensor) -> Tensor:
    """Label of each pixel of an image that is labelled by points.

    Parameters
    ----------
    ids : Tensor of int, shape (b, h, w)

    Returns
    -------
    Tensor of int64, shape (b, h, w)
        0 on background, 1 at the point of a nucleus, 2 halfway between two nuclei, 255 where
        nothing is known, and in all of an image that is labelled by outlines.
    """
    label = torch.full(ids.shape, UNKNOWN, dtype=torch.int64, device=ids.device)
    label = label.masked_fill(ids == BACKGROUND, FAR).masked_fill(ids == BETWEEN, HALFWAY)
    return label.masked_fill(ids <= FIRST_POINT, NUCLEUS)


def point_sets(ids: Tensor, classes: Tensor, sets: Tensor | None = None) -> Tensor:
    """Classes that each pixel of an image that is labelled by points may be.

    Parameters
    ----------
    ids : Tensor of int, shape (b, h, w)
    classes : Tensor of uint8, shape (b, h, w)
        Code of the class of the point, 0 where it is unknown.
    sets : Tensor of int64, shape (number of codes,), optional
        Classes of each code, bit c for class c. Without it a code is a class.

    Returns
    -------
    Tensor of int64, shape (b, h, w)
        Bit c is set where the pixel may be class c, bit 0 for background; 0 where nothing is
        known. At a point of unknown class every bit but that of background is set.
    """
    codes = classes.long()
    bits = torch.ones_like(codes) << codes if sets is None else sets[codes]
    bits = bits.masked_fill((codes == 0) | (bits == 0), ANY_CLASS)
    bits = bits.masked_fill(ids > FIRST_POINT, 0)
    return bits.masked_fill(ids == BACKGROUND, 1)
