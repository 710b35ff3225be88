"""Cross entropy of whole nuclei: the class that the pixels of a nucleus vote for together."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from karyoscope.losses.labels import at_outputs


class WholeNucleusCrossEntropy(nn.Module):
    r"""Cross entropy of the mean class probabilities of each labelled nucleus.

    .. math::

        q_{n,c} = \frac{\sum_{i \in n} p_{i,c}}{\sum_{i \in n} \sum_{c' \geq 1} p_{i,c'}}, \qquad
        L = \frac{\sum_n w_{S_n} \left(-\log \sum_{c \in S_n} q_{n,c}\right)}{\sum_n w_{S_n}}

    with :math:`p` the probabilities of pixel i, background left out, and :math:`S_n` the classes
    that nucleus n may be. A nucleus is given its class by the same mean after segmentation. Each
    nucleus counts once, so that small ones, such as lymphocytes and granulocytes, count as much as
    large ones. The weight of a class is :math:`X_c^{-1/2}`, with X a running mean of the shares of
    the classes among nuclei of one known class; the weight of a set is the mean of its members'
    weights.

    Parameters
    ----------
    n_classes : int
        Classes of nuclei, without background.
    gamma : float
        How much of the running shares is kept at each step.
    min_pixels : int
        Nuclei with fewer pixels of the output, such as those cut by the edge of a tile, are left
        out.
    """

    reads = ("types",)
    needs = ("class_sets", "nuclei")

    def __init__(self, n_classes: int, gamma: float = 0.99, min_pixels: int = 4) -> None:
        super().__init__()
        self.gamma = gamma
        self.min_pixels = min_pixels
        self.prior: Tensor
        self.register_buffer("prior", torch.full((n_classes,), 1.0 / n_classes))

    def forward(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """Scalar loss of logits ``types`` and of ``class_sets`` and ``nuclei``.

        The logits are (b, k + 1, h', w'), the targets (b, h, w).
        Where the logits are coarser than the targets, every second (third, ...) pixel of the
        targets is taken. Without a labelled nucleus the loss is 0.
        """
        logits = outputs["types"].float()
        sets = at_outputs(targets["class_sets"], logits)
        nuclei = at_outputs(targets["nuclei"], logits)

        # One place for each nucleus of each tile. Place 0 of a tile is for what is not labelled.
        # A tile has fewer nuclei than pixels, so no GPU is requested the largest number.
        b, h, w = nuclei.shape
        labelled = (sets > 1) & (nuclei < h * w)
        first = torch.arange(b, device=nuclei.device)[:, None, None] * (h * w)
        places = (torch.where(labelled, nuclei, 0) + first).flatten()
        n_places = b * h * w
        probabilities = logits.softmax(1)[:, 1:].movedim(1, -1).flatten(0, 2)
        total = probabilities.new_zeros(n_places, probabilities.shape[1])
        total = total.index_add(0, places, probabilities)
        size = total.new_zeros(n_places).index_add(0, places, torch.ones_like(places).to(total))
        of_nucleus = torch.zeros(n_places, dtype=sets.dtype, device=sets.device)
        of_nucleus = of_nucleus.scatter(0, places, sets.flatten())

        counted = size >= self.min_pixels
        counted[:: h * w] = False
        every = torch.arange(1, len(self.prior) + 1, device=sets.device)
        members = ((of_nucleus[:, None] >> every) & 1).to(total) * counted[:, None]
        if self.training:
            with torch.no_grad():
                self._move_prior(members)
        shares = total / total.sum(1, keepdim=True).clamp(min=1e-6)
        values = -(shares * members).sum(1).clamp(min=1e-6).log()
        rarity = self.prior.clamp(min=1e-4) ** -0.5
        weights = (members * rarity).sum(1) / members.sum(1).clamp(min=1)
        return (values * weights).sum() / weights.sum().clamp(min=1e-4)

    def _move_prior(self, members: Tensor) -> None:
        """Take the nuclei of one known class into the running shares."""
        count = (members * (members.sum(1, keepdim=True) == 1)).sum(0)
        known = count.sum()
        share = count / known.clamp(min=1)
        moved = self.prior * self.gamma + share * (1 - self.gamma)
        self.prior.copy_(torch.where(known > 0, moved, self.prior))
