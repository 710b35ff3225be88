"""Two views of the same tissue in one batch: rotated, flipped and moved against each other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SecondView:
    """How second views are cut from positions that reach beyond the tiles.

    The first view of a tile is the middle ``size`` x ``size`` of the positions. The second is
    moved by a few whole pixels, then flipped and rotated by multiples of 90°.

    Attributes
    ----------
    source : Tensor of int64, shape (n, size, size)
        For each pixel of the second view, the flat index of its position in the larger grid.
    same : Tensor of int64, shape (n, size, size)
        For each pixel of the first view, the flat index of the same tissue in the second view;
        -1 where the second view does not show it.
    """

    source: Tensor
    same: Tensor


def draw_second_views(n: int, size: int, shift: int, rng: torch.Generator) -> SecondView:
    """Draw a symmetry of the square and a shift for each of ``n`` tiles.

    Parameters
    ----------
    n, size : int
        Tiles, and their edge in pixels.
    shift : int
        Largest shift along each axis, in pixels; the larger grid has ``size + 2 * shift`` a side.
    rng : torch.Generator
        Random numbers, on the device that the result is to be on.
    """
    device = rng.device
    turned, flipped_y, flipped_x = (
        torch.randint(0, 2, (3, n, 1, 1), device=device, generator=rng) == 1
    )
    dy, dx = torch.randint(-shift, shift + 1, (2, n, 1, 1), device=device, generator=rng)
    axis = torch.arange(size, device=device)
    row, column = axis[None, :, None], axis[None, None, :]

    # From the second view back to the positions: undo the transposition, then the flips.
    u = torch.where(turned, column, row)
    v = torch.where(turned, row, column)
    u = torch.where(flipped_y, size - 1 - u, u) + shift + dy
    v = torch.where(flipped_x, size - 1 - v, v) + shift + dx
    source = u * (size + 2 * shift) + v

    # From the first view to the second: undo the shift, flip, transpose.
    u, v = (row - dy).expand(n, size, size), (column - dx).expand(n, size, size)
    shown = (u >= 0) & (u < size) & (v >= 0) & (v < size)
    u = torch.where(flipped_y, size - 1 - u, u)
    v = torch.where(flipped_x, size - 1 - v, v)
    same = torch.where(turned, v * size + u, u * size + v)
    return SecondView(source, same.masked_fill(~shown, -1))
