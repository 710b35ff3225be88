"""Labels beside logits: what the losses of segmentation share."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

#: Label of pixels that teach nothing.
IGNORE = 255


def at_outputs(target: Tensor, output: Tensor) -> Tensor:
    """Every second (third, ...) value of a target, where the output is coarser by that factor."""
    h, w = output.shape[-2:]
    step = max(1, target.shape[-1] // w)
    target = target[..., ::step, ::step]
    if target.shape[-2:] != (h, w):
        raise ValueError(
            f"targets of {target.shape[-2]} x {target.shape[-1]} px for outputs of {h} x {w} px:"
            " crop them by the network's margin"
        )
    return target


def truth(labels: Tensor, n_labels: int) -> Tensor:
    """One-hot form of labels (b, h, w): (b, n_labels, h, w) float32, all 0 where ignored."""
    ignored = labels == IGNORE
    one_hot = F.one_hot(labels.masked_fill(ignored, 0), n_labels).movedim(-1, 1)
    return one_hot.float() * ~ignored[:, None]


def mean_where(values: Tensor, kept: Tensor) -> Tensor:
    """Mean over the kept pixels; 0, not NaN, where none is kept."""
    return torch.where(kept, values, 0.0).sum() / kept.sum().clamp(min=1)
