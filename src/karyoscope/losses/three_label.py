"""Losses of the instance outputs of the three-label model (bern, section II.C)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from karyoscope.core.errors import KaryoscopeError
from karyoscope.losses.labels import weighted_cross_entropy

_DISTANCES: dict[str, Callable[..., Tensor]] = {"smooth_l1": F.smooth_l1_loss, "l2": F.mse_loss}


class ThreeLabelCrossEntropy(nn.Module):
    """Cross entropy of background, inside and boundary.

    Parameters
    ----------
    class_weights : sequence of 3 floats
        Weight of background, inside and boundary pixels.
    """

    reads = needs = ("three_label",)

    def __init__(self, class_weights: Sequence[float] = (1.0, 1.0, 1.0)) -> None:
        super().__init__()
        self.class_weights: Tensor
        self.register_buffer("class_weights", torch.tensor([float(w) for w in class_weights]))

    def forward(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """Scalar loss of ``three_label`` logits (b, 3, h, w) and labels (b, h, w)."""
        logits = outputs["three_label"].float()
        return weighted_cross_entropy(logits, targets["three_label"], self.class_weights)


class CentreVectorLoss(nn.Module):
    """Distance of the centre vectors from the true ones, over the pixels of nuclei.

    Parameters
    ----------
    distance : {"smooth_l1", "l2"}
        ``l2``: the mean square, as in the paper. ``smooth_l1``: the same for small errors (by
        half), but not ruled by nuclei that the augmentation cut in two.
    """

    reads = ("centre",)
    needs = ("centre", "three_label")

    def __init__(self, distance: Literal["smooth_l1", "l2"] = "smooth_l1") -> None:
        super().__init__()
        if distance not in _DISTANCES:
            raise KaryoscopeError(f"no distance {distance!r}; there are {', '.join(_DISTANCES)}")
        self.distance = distance

    def forward(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """Scalar loss of ``centre`` (b, 2, h, w)."""
        label = targets["three_label"]
        nucleus = ((label == 1) | (label == 2)).float()[:, None]
        predicted, true = outputs["centre"].float(), targets["centre"]
        distance = _DISTANCES[self.distance](predicted, true, reduction="none")
        return (distance * nucleus).sum() / nucleus.sum().clamp(min=1) / 2
