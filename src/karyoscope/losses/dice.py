"""Dice loss (hovernet, eq. 5)."""

from __future__ import annotations

from torch import Tensor, nn

from karyoscope.losses.labels import IGNORE, at_outputs, truth

EPSILON = 1e-3


def dice(probability: Tensor, labels: Tensor) -> Tensor:
    r"""One minus the Dice coefficient of each label over the batch, summed over the labels.

    .. math::

        \mathrm{Dice} = 1 - \frac{2 \sum_i Y_i X_i + \epsilon}{\sum_i Y_i + \sum_i X_i + \epsilon},
        \qquad \epsilon = 10^{-3}

    Equation 5 is for one label; the sum over all, background included, is that of the authors'
    program.

    Parameters
    ----------
    probability : Tensor, shape (b, K, h, w)
        Y.
    labels : Tensor of int64, shape (b, h, w)
        X; 255 is not counted.
    """
    target = truth(labels, probability.shape[1])
    probability = probability * (labels != IGNORE)[:, None]
    both = (probability * target).sum((0, 2, 3))
    total = probability.sum((0, 2, 3)) + target.sum((0, 2, 3))
    return (1 - (2 * both + EPSILON) / (total + EPSILON)).sum()


class Dice(nn.Module):
    """:func:`dice` of one output.

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
        return dice(logits.softmax(1), at_outputs(targets[name], logits))
