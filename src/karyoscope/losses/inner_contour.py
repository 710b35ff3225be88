"""Weighted cross entropy of inner parts and contours (qu, eq. 1)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from karyoscope.core.errors import KaryoscopeError
from karyoscope.losses.labels import IGNORE, at_outputs, mean_where


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
    r"""Cross entropy with a weight for each pixel.

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
    mpp : float
        µm per pixel of the tiles.
    sigma_um : float
        How far the weight between close nuclei reaches, µm: the paper's 5 px at 0.25 µm/px.
    distance : {"nucleus", "border"}
        What eq. 2 measures distances to; see :func:`karyoscope.targets.weighting.weight_map`.
    """

    reads = ("inner_contour",)
    needs = ("types", "contour", "weight_map")

    def __init__(
        self,
        n_classes: int,
        mpp: float = 0.25,
        sigma_um: float = 1.25,
        distance: Literal["nucleus", "border"] = "nucleus",
    ) -> None:
        super().__init__()
        if distance not in ("nucleus", "border") or sigma_um <= 0:
            raise KaryoscopeError(
                "loss 'inner_contour': distance is nucleus or border, and sigma_um is positive"
            )
        self.n_classes = n_classes
        self.target_options = {"weight_map": {"sigma": sigma_um / mpp, "distance": distance}}

    def forward(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """Scalar loss."""
        logits = outputs["inner_contour"].float()
        types, contour, weights = (at_outputs(targets[name], logits) for name in self.needs)
        labels = inner_contour_labels(types, contour, self.n_classes)
        return weighted_cross_entropy(logits, labels, weights)
