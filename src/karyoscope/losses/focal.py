"""Focal loss of classes with weights from a running class prior (bern, section II.B)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from karyoscope.losses.class_balanced import PriorWeightedCrossEntropy
from karyoscope.losses.labels import IGNORE, weighted_mean


def weighted_focal(
    logits: Tensor, labels: Tensor, weights: Tensor, focus: float, label_smoothing: float
) -> Tensor:
    r"""Focal loss with class weights and smoothed labels.

    .. math::

        L = -\frac{1}{\sum_i w_{y_i}} \sum_i (1 - p_{i,y_i})^{\phi} \sum_c t_{ic}\, w_c \log p_{ic},
        \qquad t_{ic} = (1 - \epsilon) [c = y_i] + \epsilon / K

    A pixel's focus is that of its own class alone, so that smoothing does not outweigh it. With a
    focus of 0 it is the weighted cross entropy of
    :func:`torch.nn.functional.cross_entropy`.

    Parameters
    ----------
    logits : Tensor, shape (b, K, h, w)
    labels : Tensor of int64, shape (b, h, w)
        255 is not counted.
    weights : Tensor, shape (K,)
    focus : float
        :math:`\phi` (called gamma by Lin et al. 2017).
    label_smoothing : float
        :math:`\epsilon`.
    """
    labelled = labels != IGNORE
    known = labels.masked_fill(~labelled, 0)
    log_p = logits.log_softmax(1)
    values = -weights[:, None, None] * log_p
    own, own_log_p = (t.gather(1, known[:, None])[:, 0] for t in (values, log_p))
    smoothed = (1 - label_smoothing) * own + label_smoothing * values.mean(1)
    focused = (1 - own_log_p.exp()).clamp(min=1e-7) ** focus * smoothed
    return weighted_mean(torch.where(labelled, focused, 0.0).sum(), labels, weights)


class PriorWeightedFocal(PriorWeightedCrossEntropy):
    """:func:`weighted_focal` with the class weights of :class:`PriorWeightedCrossEntropy`.

    The paper's title of the section is a focal loss, its text a cross entropy; this is the former.

    Parameters
    ----------
    n_classes : int
        Classes of nuclei, without background.
    focus : float
        How much confident pixels are suppressed.
    **options
        Options of :class:`PriorWeightedCrossEntropy`.
    """

    def __init__(self, n_classes: int, focus: float = 2.0, **options: Any) -> None:
        super().__init__(n_classes, **options)
        self.focus = focus

    def forward(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """Scalar loss of ``types`` logits (b, k + 1, h', w') and classes (b, h, w)."""
        logits, classes = self.logits_and_classes(outputs, targets)
        return weighted_focal(logits, classes, self.weights(), self.focus, self.label_smoothing)
