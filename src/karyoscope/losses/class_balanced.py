"""Cross entropy of classes with weights from a running class prior (bern, section II.B)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from karyoscope.losses.labels import at_outputs, weighted_cross_entropy


class PriorWeightedCrossEntropy(nn.Module):
    r"""Cross entropy whose class weights follow an exponential moving average of the class prior.

    .. math::

        X^{t+1}_c = \gamma X^t_c + (1 - \gamma) X_{c,n} \qquad\text{(bern, eq. 3)}

    with :math:`X_{c,n}` the share of class c among the pixels of the batch.

    Parameters
    ----------
    n_classes : int
        Classes of nuclei, without background.
    weighting : {"power", "inverse_root"}
        ``power``: :math:`w_c = (1 - X_c)^\rho`, as in the paper.
        ``inverse_root``: :math:`w_c = X_c^{-1/2}`, milder on background and stronger between
        the rare classes; for use on top of balanced tiles.
    gamma, rho : float
        Decay of the running prior, which the paper does not give, and exponent of ``power``, by
        default the paper's 3.
    label_smoothing : float
        Share of the target spread over all classes.
    """

    reads = needs = ("types",)

    def __init__(
        self,
        n_classes: int,
        weighting: Literal["power", "inverse_root"] = "power",
        gamma: float = 0.99,
        rho: float = 3.0,
        label_smoothing: float = 0.05,
    ) -> None:
        super().__init__()
        self.weighting = weighting
        self.gamma = gamma
        self.rho = rho
        self.label_smoothing = label_smoothing
        self.prior: Tensor
        self.register_buffer("prior", torch.full((n_classes + 1,), 1.0 / (n_classes + 1)))

    def weights(self) -> Tensor:
        """Class weights of the present prior, shape (n_classes + 1,)."""
        if self.weighting == "power":
            return (1.0 - self.prior) ** self.rho
        return self.prior.clamp(min=1e-4) ** -0.5

    def logits_and_classes(
        self, outputs: dict[str, Tensor], targets: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Logits, and classes at their resolution; in training the classes update the prior."""
        logits = outputs["types"].float()
        classes = at_outputs(targets["types"], logits)
        if self.training:
            with torch.no_grad():
                self._move_prior(classes)
        return logits, classes

    def _move_prior(self, classes: Tensor) -> None:
        """Add one batch to the running prior; a batch without labels does not change it.

        Nothing here asks a GPU for a number, so that it is not waited for.
        """
        every = torch.arange(len(self.prior), device=classes.device)
        count = (classes.flatten() == every[:, None]).sum(1)
        labelled = count.sum()
        share = (count / labelled.clamp(min=1)).to(self.prior)
        moved = torch.add(self.prior * self.gamma, share, alpha=1 - self.gamma)
        self.prior.copy_(torch.where(labelled > 0, moved, self.prior))

    def forward(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """Scalar loss of ``types`` logits (b, k + 1, h', w') and classes (b, h, w).

        Where the logits are coarser than the classes, every second (third, ...) pixel of the
        classes is taken.
        """
        logits, classes = self.logits_and_classes(outputs, targets)
        return weighted_cross_entropy(logits, classes, self.weights(), self.label_smoothing)
