"""Contours of all nuclei (qu, section 2.2)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def contour(ids: Tensor) -> Tensor:
    """Whether a pixel lies on the contour of a nucleus.

    The contour of a nucleus is what one step of dilation adds to it and one step of erosion takes
    from it, steps being to the four neighbours: two pixels wide, half of it outside. (The paper
    names contours without a width; this is the authors' code.) In other words, a pixel is
    contour if it and its four neighbours are not all of one id. What lies beyond the tile counts
    as the same.

    Parameters
    ----------
    ids : Tensor of int, shape (b, h, w)
        Id of the nucleus, 0 for background.

    Returns
    -------
    Tensor of bool, shape (b, h, w)
    """
    # Ids stay exact in float32 up to 2^24.
    padded = F.pad(ids[:, None].float(), (1, 1, 1, 1), mode="replicate")[:, 0]
    centre = padded[:, 1:-1, 1:-1]
    neighbours = (
        padded[:, :-2, 1:-1],
        padded[:, 2:, 1:-1],
        padded[:, 1:-1, :-2],
        padded[:, 1:-1, 2:],
    )
    return torch.stack([n != centre for n in neighbours]).any(0)
