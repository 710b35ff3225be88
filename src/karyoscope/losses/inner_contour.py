"""Weighted cross entropy of inner parts and contours (qu, eq. 1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from karyoscope.losses._labels import IGNORE, at_outputs, mean_where


def inner_contour_labels(types: Tensor, contour: Tensor, n_classes: int) -> Tensor:
    """Background 0, the inner parts of the classes 1 to n_classes, contour n_classes + 1.

    Parameters
    ----------
    types, contour : Tensor of int64, shape (b, h, w)
        The targets of these names; 255 is kept, but the contour of a nucleus without a class is
        known.
    """
    return torch.where(contour == 0, types, contour.masked_fill(contour == 1, n_classes + 1))


def weighted_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    r"""Cross entropy in which pixels weigh differently.

    .. math::

        L_{ce} = -\frac1N \sum_{i=1}^N \sum_m w_i\, t_i^{(m)} \log y_i^{(m)}

    The sum is divided by the number of labelled pixels, not by their weights.

    Parameters
    ----------
    logits : Tensor, shape (b, m, h, w)
        y before its softmax.
    labels : Tensor of int64, shape (b, h, w)
        t; 255 is not counted.
    weights : Tensor, shape (b, h, w)
        w, as :func:`karyoscope.targets.weighting.weight_map` makes it (eq. 2).
    """
    values = F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="none")
    return mean_where(weights * values, labels != IGNORE)


class InnerContourCrossEntropy(nn.Module):
    """:func:`weighted_cross_entropy` of ``inner_contour``.

    Parameters
    ----------
    n_classes : int
        Classes of nuclei, without background.
    """

    reads = ("inner_contour",)
    needs = ("types", "contour", "weight_map")

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.n_classes = n_classes

    def forward(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """Scalar loss."""
        logits = outputs["inner_contour"].float()
        types, contour, weights = (at_outputs(targets[name], logits) for name in self.needs)
        labels = inner_contour_labels(types, contour, self.n_classes)
        return weighted_cross_entropy(logits, labels, weights)
