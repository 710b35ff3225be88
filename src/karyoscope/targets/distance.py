"""Distance of a nucleus's pixels to its edge (DIST: Naylor et al., IEEE TMI 2019)."""

from __future__ import annotations

import torch
from torch import Tensor

from karyoscope.targets._nearest import FAR, row_pairs, run_start


def distance_map(ids: Tensor) -> Tensor:
    r"""Euclidean distance to the nearest pixel that is not of the same nucleus.

    .. math::

        D(x) = \min_{y:\, s(y) \ne s(x)} \lVert x - y \rVert_2 \text{ within a nucleus},\quad
        0 \text{ on background}

    with :math:`s` the id. What lies beyond the tile counts as the same.

    Parameters
    ----------
    ids : Tensor of int, shape (b, h, w)
        Id of the nucleus, 0 for background.

    Returns
    -------
    Tensor of float32, shape (b, h, w)
        In pixels: 1 at the edge of a nucleus. In a tile of one id alone, the tile's longer edge.
    """
    w, h = ids.shape[-1], ids.shape[-2]
    across = _to_the_end_of_the_run(ids)
    best = across**2
    for dy, to, of in row_pairs(h, h):
        if to.start == 0 and not (best[ids > 0] > dy**2).any():
            break
        through = across[:, of].masked_fill(ids[:, to] != ids[:, of], 0) ** 2
        torch.minimum(best[:, to], through.add_(dy**2), out=best[:, to])
    return best.sqrt().clamp(max=float(max(h, w))) * (ids > 0)


def _to_the_end_of_the_run(ids: Tensor) -> Tensor:
    """Distance along the row to the nearest pixel of another id: float32, shape (b, h, w)."""
    column = torch.arange(ids.shape[-1], device=ids.device).expand(ids.shape)

    def to_the_left(run: Tensor) -> Tensor:
        start = run_start(run)
        return (column - start + 1).float().masked_fill(start == 0, FAR)

    return torch.minimum(to_the_left(ids), to_the_left(ids.flip(-1)).flip(-1))
