"""Labels compared with logits: functions that the losses of segmentation share."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

IGNORE = 255
"""Label of pixels that are ignored."""


def at_outputs(target: Tensor, output: Tensor) -> Tensor:
    """Reduce a target to the resolution of an output, such as class logits at stride 2.

    Parameters
    ----------
    target : Tensor, shape (b, h, w) or (b, channels, h, w)
        Values at the resolution of the tile.
    output : Tensor, shape (b, channels, h / stride, w / stride)
        Output of the network, of which only the size is used.

    Returns
    -------
    Tensor
        Every value of the target for an output of the same size, else every second (third, ...)
        along each axis.

    Raises
    ------
    ValueError
        If the sizes differ by more than a whole factor.
    """
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


def weighted_mean(sum_of_values: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    r"""Sum over pixels divided by the weight of their labels; 0, not NaN, where none is labelled.

    .. math:: \frac{\sum_i v_i}{\max(\sum_i w_{y_i},\; 10^{-4} n)}

    The lower bound, far below the weights in use, is for a batch of one label whose weight has
    vanished.

    Parameters
    ----------
    sum_of_values : Tensor, scalar
        Sum of the values of the n labelled pixels.
    labels : Tensor of int64, shape (b, h, w)
        y; 255 is not counted.
    weights : Tensor, shape (K,)
        w, the weight of each label.
    """
    labelled = labels != IGNORE
    total = torch.where(labelled, weights[labels.masked_fill(~labelled, 0)], 0.0).sum()
    return sum_of_values / torch.maximum(total, 1e-4 * labelled.sum().clamp(min=1))


def weighted_cross_entropy(
    logits: Tensor, labels: Tensor, weights: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Cross entropy with a weight for each label, as torch's, but 0 where nothing is labelled.

    Parameters
    ----------
    logits : Tensor, shape (b, K, h, w)
        Scores of the labels before the softmax.
    labels : Tensor of int64, shape (b, h, w)
        255 is not counted.
    weights : Tensor, shape (K,)
        Weight of each label.
    label_smoothing : float
        Share of the target spread over all labels.
    """
    values = F.cross_entropy(
        logits,
        labels,
        weights,
        ignore_index=IGNORE,
        label_smoothing=label_smoothing,
        reduction="sum",
    )
    return weighted_mean(values, labels, weights)
