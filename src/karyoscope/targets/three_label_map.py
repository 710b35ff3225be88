"""Targets of the three-label model with centre vectors (bern, section II.C)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from karyoscope.targets._slots import slots

#: Centre vectors are expressed in this many pixels, which brings them to the order of one.
CENTRE_UNIT = 8.0


def three_label(ids: Tensor) -> Tensor:
    """Background 0, inside 1, boundary 2.

    A pixel of a nucleus is boundary if one of its eight neighbours has another id; what lies
    beyond the tile counts as the same.

    Parameters
    ----------
    ids : Tensor of int, shape (b, h, w)
        Id of the nucleus, 0 for background.

    Returns
    -------
    Tensor of int64, shape (b, h, w)
    """
    padded = F.pad(ids[:, None].float(), (1, 1, 1, 1), mode="replicate")
    highest = F.max_pool2d(padded, 3, 1)[:, 0]
    lowest = -F.max_pool2d(-padded, 3, 1)[:, 0]
    nucleus = ids > 0
    return nucleus.long() + (nucleus & (highest != lowest)).long()


def centre_vectors(ids: Tensor, highest: int | None = None) -> Tensor:
    """Vector from each pixel of a nucleus to the nucleus's centroid, in units of 8 px.

    Parameters
    ----------
    ids : Tensor of int, shape (b, h, w)
        Id of the nucleus, 0 for background. Ids need to be distinct within an image only.
    highest : int, optional
        An id that none exceeds; where it is given, a GPU is not waited for.

    Returns
    -------
    Tensor of float32, shape (b, 2, h, w)
        dx, dy; 0 on background.
    """
    b, h, w = ids.shape
    key, size = slots(ids, highest)
    rows = torch.arange(h, device=ids.device, dtype=torch.float32)[None, :, None].expand(b, h, w)
    columns = torch.arange(w, device=ids.device, dtype=torch.float32).expand(b, h, w)
    count = torch.zeros(size, device=ids.device).index_add_(
        0, key, torch.ones(key.numel(), device=ids.device)
    )
    vectors = []
    for position in (columns, rows):
        total = torch.zeros_like(count).index_add_(0, key, position.flatten())
        centroid = (total / count.clamp(min=1))[key].view(b, h, w)
        vectors.append((centroid - position) * (ids > 0) / CENTRE_UNIT)
    return torch.stack(vectors, 1)
