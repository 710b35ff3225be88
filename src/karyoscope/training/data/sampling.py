"""Which tiles to train on: importance sampling by class (bern, eq. 1-2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from karyoscope.training.data.bank import PixelBank


def importance(shares: Tensor) -> Tensor:
    r"""Probability of drawing each tile, which favours tiles that hold rare classes.

    A set of classes that a label may be, such as "any nucleus" of a dataset without classes, counts
    as a class of its own: datasets with other classes are drawn about as often as any class is.

    .. math::

        p_n = \frac{1}{|c|} \sum_c \frac{X_{c,n}}{\sum_n X_{c,n}} \qquad\text{(bern, eq. 2)}

    Parameters
    ----------
    shares : Tensor, shape (n, c)
        :math:`X_{c,n}`: share of class c among the pixels of tile n (eq. 1); background is a
        class too.

    Returns
    -------
    Tensor, shape (n,)
        Sums to one. A class that occurs nowhere is left out of the mean.
    """
    totals = shares.sum(0)
    present = totals > 0
    return (shares[:, present] / totals[present]).mean(1)


@dataclass
class TileIndex:
    """Tiles on a regular lattice over all images.

    Attributes
    ----------
    image : Tensor of int64, shape (n,)
    x, y : Tensor of float32, shape (n,)
        Centre of the tile in pixels of its image.
    shares : Tensor of float32, shape (n, number of codes)
        Share of each label among the tile's pixels: background, each class, and each set of
        classes that a nucleus may be.
    """

    image: Tensor
    x: Tensor
    y: Tensor
    shares: Tensor

    @classmethod
    def over(cls, bank: PixelBank, size: int, step: int) -> TileIndex:
        """Lay tiles of ``size`` px every ``step`` px over the images of a bank."""
        image, xs, ys, shares = [], [], [], []
        codes = len(bank.sets)
        for k in range(len(bank)):
            start, h, w = int(bank.starts[k]), int(bank.heights[k]), int(bank.widths[k])
            classes = bank.classes[start : start + h * w].view(h, w).long()
            for y in _positions(h, size, step):
                for x in _positions(w, size, step):
                    tile = classes[y : y + size, x : x + size]
                    count = torch.bincount(tile.flatten(), minlength=codes)
                    image.append(k)
                    xs.append(x + tile.shape[1] / 2)
                    ys.append(y + tile.shape[0] / 2)
                    shares.append(count / tile.numel())
        device = bank.rgb.device
        return cls(
            torch.tensor(image, device=device),
            torch.tensor(xs, device=device),
            torch.tensor(ys, device=device),
            torch.stack(shares).float(),
        )


def _positions(length: int, size: int, step: int) -> list[int]:
    last = max(0, length - size)
    return sorted({*range(0, last, step), last})


def tile_probabilities(bank: PixelBank, tiles: TileIndex, balanced: float) -> Tensor:
    """Probability of drawing each tile, shape (n,): images by their weights, rare classes first.

    Parameters
    ----------
    balanced : float
        Share of the tiles that are drawn by :func:`importance`; the rest are drawn evenly.
    """
    weight = bank.weights[tiles.image.to(bank.weights.device)]
    rare = importance(tiles.shares * weight[:, None])
    return balanced * rare + (1 - balanced) * (weight / weight.sum())
