"""Consistency: two views of the same tissue should be given the same probabilities.

The idea is that of Pi-models (Laine & Aila, ICLR 2017), with gradients through both views. It makes
a network find the same nuclei again after a rotation, a flip or a shift.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from karyoscope.losses.labels import mean_where


class Consistency(nn.Module):
    r"""Mean squared difference of the probabilities that two views of a tile are given.

    .. math::

        L = \frac{1}{n K} \sum_i \sum_{k=1}^K \left(p^A_{i,k} - p^B_{\sigma(i),k}\right)^2

    The batch's first half are the first views (A), its second half the second views (B) of the
    same tiles; :math:`\sigma(i)` is the pixel of B that shows the tissue of pixel i of A. Where an
    output is coarser than the image, only cells are compared whose pixels lie in one cell of the
    other view, that is, views moved by multiples of its stride.

    Parameters
    ----------
    output : str
        Name of an output that holds logits.
    """

    needs = ("same_tissue",)

    def __init__(self, output: str) -> None:
        super().__init__()
        self.reads = (output,)

    def forward(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """Scalar loss of logits (2 n, K, h', w') and ``same_tissue`` (n, h, w)."""
        (name,) = self.reads
        first, second = outputs[name].float().softmax(1).chunk(2)
        index = cells(targets["same_tissue"], first.shape[-1])
        shown = index >= 0
        flat = index.clamp(min=0).flatten(1)[:, None].expand(-1, first.shape[1], -1)
        other = second.flatten(2).gather(2, flat).view_as(first)
        return mean_where((first - other).square().mean(1), shown)


def cells(same: Tensor, width: int) -> Tensor:
    """Correspondence of pixels to correspondence of the cells of a coarser map.

    Parameters
    ----------
    same : Tensor of int64, shape (n, h, h)
        Flat index of each pixel in the other view, -1 where it is not shown.
    width : int
        Edge of the coarser map, a divisor of h.

    Returns
    -------
    Tensor of int64, shape (n, width, width)
        Flat index of each cell in the other view's map; -1 where it is not shown, or lies across
        several cells.
    """
    edge = same.shape[-1]
    step = edge // width
    if step == 1:
        return same
    corners = same[:, ::step, ::step], same[:, step - 1 :: step, step - 1 :: step]
    first, last = (c // edge // step * width + c % edge // step for c in corners)
    whole = (corners[0] >= 0) & (corners[1] >= 0) & (first == last)
    return torch.where(whole, first, -1)
