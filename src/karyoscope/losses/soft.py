"""Distillation: the probabilities of a teacher as labels (Hinton et al., 2015)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from karyoscope.losses.labels import at_outputs


class SoftCrossEntropy(nn.Module):
    r"""Cross entropy with a teacher's probabilities in place of labels.

    .. math:: L = -\frac1n \sum_i \sum_k q_{i,k} \log p_{i,k}

    Parameters
    ----------
    output : str
        Name of an output that holds logits; the target is called ``soft_`` and this name.
        Pixels whose probabilities are all zero, such as those beyond an image, are not counted.
    """

    def __init__(self, output: str) -> None:
        super().__init__()
        self.reads = (output,)
        self.needs = (f"soft_{output}",)

    def forward(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """Scalar loss of logits (b, K, h', w') and probabilities (b, K, h, w)."""
        (output,), (target,) = self.reads, self.needs
        logits = outputs[output].float()
        soft = at_outputs(targets[target], logits)
        values = -(soft * logits.log_softmax(1)).sum(1)
        count = (soft.sum(1) > 0.5).sum().clamp(min=1)
        return torch.sum(values) / count
