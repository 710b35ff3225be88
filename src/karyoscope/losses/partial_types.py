"""Cross entropy where a label may be one of several classes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from karyoscope.losses.class_balanced import PriorWeightedCrossEntropy
from karyoscope.losses.labels import IGNORE, at_outputs


class PartialCrossEntropy(PriorWeightedCrossEntropy):
    r"""Cross entropy of sets of classes, with weights from the running class prior.

    .. math::

        L = \frac{\sum_i w_{S_i} \left(-\log \sum_{c \in S_i} p_{ic}\right)}
            {\max(\sum_i w_{S_i},\; 10^{-4} n)}, \qquad
        w_S = \frac{\sum_{c \in S} X_c w_c}{\sum_{c \in S} X_c}

    with :math:`S_i` the classes that pixel i may be, :math:`X` the prior and :math:`w_c` the
    weights of :class:`PriorWeightedCrossEntropy`. Pixels without a set are not counted. With one
    class in every set it is that loss. Sets of several classes do not move the prior, and their
    labels are not smoothed.

    Parameters
    ----------
    n_classes : int
        Classes of nuclei, without background.
    **options
        Options of :class:`PriorWeightedCrossEntropy`; ``weighting`` is ``"inverse_root"`` and
        ``label_smoothing`` is 0 where not given. Smoothing is weighted by class too: with weights
        of 100 for a rare class, a share of 0.05 leaves every pixel, background too, with nearly
        half of its probability on rare classes.
    """

    needs = ("class_sets",)

    def __init__(self, n_classes: int, **options: Any) -> None:
        own: dict[str, Any] = {"weighting": "inverse_root", "label_smoothing": 0.0}
        super().__init__(n_classes, **own | options)

    def forward(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """Scalar loss of ``types`` logits (b, k + 1, h', w') and ``class_sets`` (b, h, w).

        Where the logits are coarser than the sets, every second (third, ...) pixel of the sets is
        taken.
        """
        logits = outputs["types"].float()
        (name,) = self.needs
        sets = at_outputs(targets[name], logits)
        every = torch.arange(len(self.prior), device=sets.device)[:, None, None]
        members = (sets[:, None] >> every) & 1
        size = members.sum(1)
        labels = (members * every).sum(1).masked_fill(size != 1, IGNORE)
        if self.training:
            with torch.no_grad():
                self._move_prior(labels)
        weights = self.weights()
        one = F.cross_entropy(
            logits,
            labels,
            weights,
            ignore_index=IGNORE,
            reduction="sum",
            label_smoothing=self.label_smoothing,
        )
        several = size > 1
        of_several = self._weights_of(members, weights)
        # Elsewhere all classes count, which gives 0 with a gradient of 0.
        left_out = (members == 0) & several[:, None]
        within = logits.masked_fill(left_out, -torch.inf).logsumexp(1)
        values = torch.where(several, of_several * (logits.logsumexp(1) - within), 0.0)
        of_pixel = weights[labels.masked_fill(size != 1, 0)]
        of_pixel = torch.where(several, of_several, of_pixel).masked_fill(size == 0, 0.0)
        least = 1e-4 * (size > 0).sum().clamp(min=1)
        return (one + values.sum()) / torch.maximum(of_pixel.sum(), least)

    def _weights_of(self, members: Tensor, weights: Tensor) -> Tensor:
        """Mean weight of the members of each set, by their prior: (b, h, w)."""
        # A class that was never seen still has a share, or a set of such classes had none.
        prior = self.prior.clamp(min=1e-4)
        is_in = members.to(prior)
        total, weighted = (torch.einsum("bchw,c->bhw", is_in, v) for v in (prior, prior * weights))
        return weighted / total.clamp(min=1e-4)
