"""Distances to labelled pixels, exact, as batched tensor operations.

All of them go by rows first and then over rows, as the exact Euclidean distance transform does
(Felzenszwalb & Huttenlocher 2012): what is nearest overall through a row is nearest in that row.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

#: Further than any distance within an image; its square is still exact in float32.
FAR = 2048.0


def row_pairs(h: int, reach: int) -> Iterator[tuple[int, slice, slice]]:
    """Distances from 1 to ``reach``, each with rows and the rows that far below, then above."""
    for dy in range(1, min(reach, h - 1) + 1):
        yield dy, slice(0, h - dy), slice(dy, h)
        yield dy, slice(dy, h), slice(0, h - dy)


def run_start(ids: Tensor) -> Tensor:
    """First column of the run of equal ids that each pixel is in: int64, shape (b, h, w)."""
    column = torch.arange(ids.shape[-1], device=ids.device).expand(ids.shape)
    first = torch.ones_like(ids, dtype=torch.bool)
    first[..., 1:] = ids[..., 1:] != ids[..., :-1]
    return (column * first).cummax(-1).values


def two_to_the_left(ids: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The nearest two different nuclei at or left of each pixel, in its row.

    Parameters
    ----------
    ids : Tensor of int64, shape (b, h, w)
        0 for background.

    Returns
    -------
    list of two pairs
        Distance, float32, :data:`FAR` where there is none; id, 0 where there is none.
    """
    column = torch.arange(ids.shape[-1], device=ids.device).expand(ids.shape)
    last = torch.where(ids > 0, column, -1).cummax(-1).values
    nearest = ids.gather(-1, last.clamp(min=0)).masked_fill(last < 0, 0)
    # Left of a pixel's nearest nucleus, runs of that same nucleus and of background are skipped
    # by taking, at each change of the nearest nucleus, what was nearest just before.
    start = run_start(nearest)
    before = (start - 1).clamp(min=0)
    none = (start == 0) | (last < 0)
    second_at = last.gather(-1, before).masked_fill(none, -1)
    second = nearest.gather(-1, before).masked_fill(none | (second_at < 0), 0)
    return [
        ((column - at).float().masked_fill(at < 0, FAR), label)
        for at, label in ((last, nearest), (second_at, second))
    ]


def keep_two(best: list[Tensor], distance: Tensor, label: Tensor) -> None:
    """Take a candidate into the nearest two different labels, in place.

    ``best`` holds the nearest distance and label and the second distance and label.
    """
    d1, l1, d2, l2 = best
    same = label == l1
    nearer = distance < d1
    moved = nearer & ~same
    replaces = ~nearer & ~same & (distance < d2)
    best[2] = torch.where(moved, d1, torch.where(replaces, distance, d2))
    best[3] = torch.where(moved, l1, torch.where(replaces, label, l2))
    best[0] = torch.where(nearer, distance, d1)
    best[1] = torch.where(nearer, label, l1)
