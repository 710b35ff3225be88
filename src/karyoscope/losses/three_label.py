"""Losses of the instance outputs of the three-label model (bern, section II.C)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

IGNORE = 255


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
        self.register_buffer("class_weights", torch.tensor(class_weights))

    def forward(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """Scalar loss of ``three_label`` logits (b, 3, h, w) and labels (b, h, w)."""
        return F.cross_entropy(
            outputs["three_label"].float(),
            targets["three_label"],
            self.class_weights,
            ignore_index=IGNORE,
        )


class CentreVectorLoss(nn.Module):
    """Smooth L1 distance of the centre vectors, over the pixels of nuclei.

    The paper has the L2 distance; the smooth form is the same for small errors and is not ruled
    by nuclei that the augmentation cut in two.
    """

    reads = ("centre",)
    needs = ("centre", "three_label")

    def forward(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """Scalar loss of ``centre`` (b, 2, h, w)."""
        label = targets["three_label"]
        nucleus = ((label == 1) | (label == 2)).float()[:, None]
        distance = F.smooth_l1_loss(outputs["centre"].float(), targets["centre"], reduction="none")
        return (distance * nucleus).sum() / nucleus.sum().clamp(min=1) / 2
