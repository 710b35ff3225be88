"""Weights that grow between neighbouring nuclei (qu, eq. 2; Ronneberger et al. 2015)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from karyoscope.targets._nearest import FAR, keep_two, row_pairs, two_to_the_left
from karyoscope.targets.three_label_map import three_label

W0 = 10.0
SIGMA = 5.0


def weight_map(
    ids: Tensor,
    w0: float = W0,
    sigma: float = SIGMA,
    distance: Literal["nucleus", "border"] = "nucleus",
) -> Tensor:
    r"""Weight of each pixel.

    .. math::

        w(x) = 1 + w_0 \exp\left(-\frac{(d_1(x) + d_2(x))^2}{2 \sigma^2}\right)

    with :math:`d_1, d_2` the distances in pixels to the nearest and the second nearest nucleus, 0
    within a nucleus (qu), or to the border of each (Ronneberger et al.), so that the weight falls
    towards the middle of a nucleus. A border is the pixels of a nucleus that have one of another
    id beside them. Nuclei further than :math:`6 \sigma` are not looked for: beyond, the weight
    differs from 1 by less than :math:`w_0 \cdot 10^{-7}`.

    Parameters
    ----------
    ids : Tensor of int, shape (b, h, w)
        Id of the nucleus, 0 for background.
    w0, sigma : float
        Height of the extra weight between nuclei, and its reach in pixels (both of the paper).
    distance : {"nucleus", "border"}
        What distances are measured to.

    Returns
    -------
    Tensor of float32, shape (b, h, w)
    """
    if distance == "border":
        ids = ids * (three_label(ids.clamp(min=0)) == 2)
    d1, d2 = two_nearest(ids, math.ceil(6 * sigma))
    return 1 + w0 * torch.exp(-((d1 + d2) ** 2) / (2 * sigma**2))


def two_nearest(ids: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """Distances to the nearest and the second nearest nucleus within ``reach`` px.

    Both are float32 of shape (b, h, w); at least :data:`~karyoscope.targets._nearest.FAR` where
    there is none.
    """
    distance, label, second, _ = _two_in_row(ids.long())
    # Square distance and label as one whole number, so that one minimum finds both.
    digits = max(0, int(ids.max())) + 1
    code = distance.long() ** 2 * digits + label
    nearest = code.clone()
    for dy, to, of in row_pairs(ids.shape[1], reach):
        torch.minimum(nearest[:, to], code[:, of] + dy**2 * digits, out=nearest[:, to])
    own = nearest % digits

    first_square, second_square = distance**2, second**2
    other = torch.where(label == own, second_square, first_square)
    for dy, to, of in row_pairs(ids.shape[1], reach):
        best = torch.where(label[:, of] == own[:, to], second_square[:, of], first_square[:, of])
        torch.minimum(other[:, to], best.add_(dy**2), out=other[:, to])
    return (nearest // digits).float().sqrt(), other.sqrt()


def _two_in_row(ids: Tensor) -> list[Tensor]:
    """Nearest distance and label, second distance and label, along each row."""
    best = [torch.full(ids.shape, FAR, device=ids.device), torch.zeros_like(ids)] * 2
    left = two_to_the_left(ids)
    right = [(d.flip(-1), label.flip(-1)) for d, label in two_to_the_left(ids.flip(-1))]
    for distance, label in (*left, *right):
        keep_two(best, distance, label)
    return best
