"""Horizontal and vertical distances to the centre of mass (hovernet, section III.A, Fig. 3)."""

from __future__ import annotations

import torch
from torch import Tensor

from karyoscope.targets._slots import slots


def hover_maps(
    ids: Tensor, min_pixels: int = 1, offset: int = 0, highest: int | None = None
) -> Tensor:
    r"""Distances of a nucleus's pixels to its centre, from -1 to 1 within each nucleus.

    .. math::

        \Gamma_x(i) = \frac{x_i - c_x}{\max_{j:\, x_j < c_x} (c_x - x_j)} \text{ to its left,}
        \quad \frac{x_i - c_x}{\max_{j:\, x_j > c_x} (x_j - c_x)} \text{ to its right,}

    and 0 on the line through the centre :math:`c` and on background; likewise
    :math:`\Gamma_y`. The centre is the centre of mass rounded to a whole pixel, half upwards, which
    makes that line one pixel wide.

    The authors' code is this with ``min_pixels=31, offset=1``; it also skips nuclei within two
    pixels of the upper or left edge of a tile.

    Parameters
    ----------
    ids : Tensor of int, shape (b, h, w)
        Id of the nucleus, 0 for background. Ids need to be distinct within an image only.
    min_pixels : int
        Smaller nuclei are left 0.
    offset : int
        Pixels by which the centre is moved up and left. The authors count pixels from 1 and
        centres from 0, and so have 1.
    highest : int, optional
        An id that none exceeds; where it is given, a GPU is not waited for.

    Returns
    -------
    Tensor of float32, shape (b, 2, h, w)
        Horizontal, vertical.
    """
    b, h, w = ids.shape
    key, size = slots(ids, highest)
    nothing = torch.zeros(size, dtype=torch.int64, device=ids.device)
    count = nothing.scatter_add(0, key, torch.ones_like(key))
    kept = (ids.flatten() > 0) & (count[key] >= min_pixels)
    maps = []
    rows, columns = (torch.arange(n, device=ids.device) for n in (h, w))
    for position in (columns.expand(b, h, w), rows[:, None].expand(b, h, w)):
        position = position.flatten()
        # Whole numbers throughout, so that sums are exact and do not depend on their order.
        total = nothing.scatter_add(0, key, position)
        centre = (2 * total + count) // (2 * count).clamp(min=1) - offset
        distance = position - centre[key]
        before = nothing.scatter_reduce(0, key, -distance, "amax")
        beyond = nothing.scatter_reduce(0, key, distance, "amax")
        reach = torch.where(distance < 0, before[key], beyond[key]).clamp(min=1)
        maps.append((distance / reach * kept).view(b, h, w))
    return torch.stack(maps, 1)
