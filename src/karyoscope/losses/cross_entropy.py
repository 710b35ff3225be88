"""Cross entropy (hovernet, eq. 4)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from karyoscope.losses.labels import IGNORE, at_outputs, mean_where


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    r"""Mean cross entropy of the labelled pixels.

    .. math::

        \mathrm{CE} = -\frac1n \sum_{i=1}^n \sum_{k=1}^K X_{i,k} \log Y_{i,k}

    Parameters
    ----------
    logits : Tensor, shape (b, K, h, w)
        Y before its softmax.
    labels : Tensor of int64, shape (b, h, w)
        X; 255 is not counted.
    """
    values = F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="none")
    return mean_where(values, labels != IGNORE)


class CrossEntropy(nn.Module):
    """:func:`cross_entropy` of one output.

    Parameters
    ----------
    output : str
        Its name, which is that of its labels too.
    """

    def __init__(self, output: str) -> None:
        super().__init__()
        self.needs = self.reads = (output,)

    def forward(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """Scalar loss."""
        (name,) = self.reads
        logits = outputs[name].float()
        return cross_entropy(logits, at_outputs(targets[name], logits))
