"""Numbering of the nuclei of a batch, independent of their label ids."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def numbered(ids: Tensor) -> Tensor:
    """Number the nuclei of each tile from 1, in the order of their first pixels.

    Parameters
    ----------
    ids : Tensor of int, shape (b, h, w)
        0 or less where there is no nucleus.

    Returns
    -------
    Tensor of int64, shape (b, h, w)
        0 where there is no nucleus. Pixels are ordered row by row.
    """
    flat = ids.clamp(min=0).flatten(1)
    position = torch.arange(flat.shape[1], device=ids.device).expand(flat.shape)
    order = flat.sort(dim=1, stable=True)
    is_first = F.pad(order.values[:, 1:] != order.values[:, :-1], (1, 0), value=True)
    start = torch.where(is_first, position, 0).cummax(1).values
    # The position of the first pixel with the id of each pixel.
    first = torch.empty_like(start).scatter_(1, order.indices, order.indices.gather(1, start))
    starts_here = (first == position) & (flat > 0)
    number = starts_here.cumsum(1).gather(1, first)
    return torch.where(flat > 0, number, 0).view(ids.shape)
