"""The Lightning module that trains a RestainNet, and the critic that it is trained against."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.nn import functional as F

from karyoscope.losses.adversarial import build_adversarial
from karyoscope.losses.staining import StainingLoss
from karyoscope.networks.mask2image import PatchDiscriminator
from karyoscope.networks.restainnet import RestainNet, grey_of
from karyoscope.training.restain.settings import RestainSettings

_BETAS = (0.5, 0.999)


class RestainModule(L.LightningModule):
    r"""Learn to give grey images of the target set their colours back.

    .. math::

        L = \lambda_p \lVert \hat x - x \rVert_1 + \lambda_s L_{stain}(\hat x, x)
            + \lambda_a L_{adv}(\hat x \mid g), \qquad \hat x = \text{RestainNet}(g)

    with :math:`g` the luma of :math:`x`: the images are their own labels. The critic sees grey and
    colours together and learns to tell given from made (least squares).

    Parameters
    ----------
    settings : RestainSettings
        Settings of the training.
    """

    def __init__(self, settings: RestainSettings) -> None:
        super().__init__()
        # Two networks take turns.
        self.automatic_optimization = False
        self.settings = settings
        self.network = RestainNet(settings.width, settings.levels)
        self.critic = PatchDiscriminator(4, settings.critic_width, halvings=3)
        self.staining = StainingLoss()
        self.adversarial = build_adversarial("least_squares")

    def training_step(self, original: Tensor, index: int) -> None:
        """One step of the network and one of the critic."""
        ours, theirs = self._optimisers()
        grey = grey_of(original)
        self.toggle_optimizer(ours)
        restained = self.network(grey)
        self._descend(ours, self._network_loss(grey, restained, original))
        self.untoggle_optimizer(ours)
        if self.settings.adversarial:
            self.toggle_optimizer(theirs)
            self._descend(theirs, self._critic_loss(grey, restained.detach(), original))
            self.untoggle_optimizer(theirs)

    def _network_loss(self, grey: Tensor, restained: Tensor, original: Tensor) -> Tensor:
        settings = self.settings
        terms = {
            "pixel": settings.pixel * F.l1_loss(restained, original),
            "staining": settings.staining * self.staining(restained, original),
        }
        if settings.adversarial:
            score, _ = self.critic(torch.cat([grey, restained], 1))
            terms["adversarial"] = settings.adversarial * self.adversarial.generator(score)
        total = torch.stack(list(terms.values())).sum()
        self.log_dict({f"train/{name}": value for name, value in terms.items()})
        self.log("train/loss", total, prog_bar=True)
        return total

    def _critic_loss(self, grey: Tensor, restained: Tensor, original: Tensor) -> Tensor:
        made, _ = self.critic(torch.cat([grey, restained], 1))
        given, _ = self.critic(torch.cat([grey, original], 1))
        loss = self.adversarial.discriminator(given, made)
        self.log("train/critic", loss)
        return loss

    def _descend(self, optimiser: Any, loss: Tensor) -> None:
        optimiser.zero_grad()
        self.manual_backward(loss)
        optimiser.step()

    def _optimisers(self) -> list[Any]:
        """Return the optimisers of the network and of the critic, at the rates of this step.

        The rates are flat at first and fall to zero over the second half. They are set here, not
        by a schedule that a checkpoint holds, so that a run may be continued to more steps.
        """
        steps = self.settings.steps
        left = min(1.0, 2 * (steps - self.finished_steps) / steps)
        pair: list[Any] = list(self.optimizers())  # type: ignore[call-overload]
        rates = self.settings.lr, self.settings.critic_lr
        for optimiser, rate in zip(pair, rates, strict=True):
            optimiser.param_groups[0]["lr"] = rate * left
        return pair

    @property
    def counted_per_step(self) -> int:
        """How many steps Lightning counts for one of the run: one for each optimiser in use."""
        return 2 if self.settings.adversarial else 1

    @property
    def finished_steps(self) -> int:
        """Steps that are done."""
        return self.global_step // self.counted_per_step

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:  # type: ignore[override]
        """Adam for the network and for the critic."""
        settings = self.settings
        return [
            torch.optim.Adam(self.network.parameters(), settings.lr, _BETAS),
            torch.optim.Adam(self.critic.parameters(), settings.critic_lr, _BETAS),
        ]
