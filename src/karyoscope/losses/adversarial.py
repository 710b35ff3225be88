"""Adversarial losses of discriminator and generator.

Scores are raw, without a sigmoid: one number a patch, in any shape. A discriminator that judges at
several scales gives a list of them; the terms are averaged over the scales.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from karyoscope.core.errors import KaryoscopeError

Scores = Tensor | Sequence[Tensor]
Term = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class AdversarialLoss:
    """Loss of the discriminator and loss of the generator.

    Parameters
    ----------
    real, fake : callable
        Terms of the discriminator, elementwise, of its scores D(x) of real and D(G) of generated
        images.
    passes : callable
        Term of the generator, elementwise, of D(G).
    """

    real: Term
    fake: Term
    passes: Term

    def discriminator(self, real: Scores, fake: Scores) -> Tensor:
        """Half the sum of both terms; detach the generated images before they are scored."""
        pairs = zip(_listed(real), _listed(fake), strict=True)
        return _mean(
            [(self.real(r.float()).mean() + self.fake(f.float()).mean()) / 2 for r, f in pairs]
        )

    def generator(self, fake: Scores) -> Tensor:
        """Loss of the generator, lower if its images are scored as real."""
        return _mean([self.passes(f.float()).mean() for f in _listed(fake)])


ADVERSARIAL: dict[str, AdversarialLoss] = {
    # Mao et al. 2017, eq. 9: (D(x) - 1)^2, D(G)^2; (D(G) - 1)^2.
    "least_squares": AdversarialLoss(
        lambda s: (s - 1).square(), lambda s: s.square(), lambda s: (s - 1).square()
    ),
    # Lim and Ye 2017: max(0, 1 - D(x)), max(0, 1 + D(G)); -D(G).
    "hinge": AdversarialLoss(lambda s: F.relu(1 - s), lambda s: F.relu(1 + s), lambda s: -s),
    # Goodfellow et al. 2014, with the generator's term that does not saturate:
    # -log sigma(D(x)), -log(1 - sigma(D(G))); -log sigma(D(G)).
    "cross_entropy": AdversarialLoss(
        lambda s: F.softplus(-s), F.softplus, lambda s: F.softplus(-s)
    ),
}


def build_adversarial(name: str) -> AdversarialLoss:
    """Look an adversarial loss up.

    Raises
    ------
    KaryoscopeError
        If there is none of that name.
    """
    if name not in ADVERSARIAL:
        raise KaryoscopeError(f"no adversarial loss {name!r}; there are {', '.join(ADVERSARIAL)}")
    return ADVERSARIAL[name]


def feature_matching(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of a discriminator's features, averaged over its layers.

    Wang et al. 2018, eq. 4. The features of real images are taken as they are: no gradient runs
    into them.
    """
    return _mean(
        [F.l1_loss(f.float(), r.detach().float()) for r, f in zip(real, fake, strict=True)]
    )


def _listed(scores: Scores) -> Sequence[Tensor]:
    return [scores] if isinstance(scores, Tensor) else scores


def _mean(terms: list[Tensor]) -> Tensor:
    return torch.stack(terms).mean()
