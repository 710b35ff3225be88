"""The Lightning module: network, losses, optimiser of a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from karyoscope.errors import KaryoscopeError
from karyoscope.losses import build_loss
from karyoscope.networks import build_network
from karyoscope.networks.base import deployed_outputs
from karyoscope.networks.deployed import Deployed
from karyoscope.networks.encoder import keep_depthwise_in_float32
from karyoscope.targets import crop_targets
from karyoscope.taxonomy import Taxonomy
from karyoscope.training.batches import Batch
from karyoscope.training.recipe import Optimiser, Recipe

if TYPE_CHECKING:
    from karyoscope.datasets import Sample
    from karyoscope.training.validation import Validator


def rate_at(step: int, steps: int, optimiser: Optimiser) -> float:
    """Learning rate at a step, as a multiple of the flat rate: warm-up, flat, linear decay."""
    warmup = min(1.0, (step + 1) / max(1, optimiser.warmup))
    decay = min(1.0, max(0, steps - step) / max(1, optimiser.decay))
    return min(warmup, decay)


def _check_losses(recipe: Recipe, network: Any, losses: nn.ModuleDict) -> None:
    """Refuse a recipe whose losses read what its network does not predict."""
    if len(losses) < len(recipe.losses):
        raise KaryoscopeError(f"recipe {recipe.name!r} has the same loss twice")
    for name, loss in losses.items():
        missing = set(loss.reads) - set(network.outputs)  # type: ignore[arg-type]
        if missing:
            raise KaryoscopeError(
                f"recipe {recipe.name!r}: loss {name!r} reads {', '.join(sorted(missing))}, but"
                f" network {recipe.network.name!r} predicts {', '.join(network.outputs)}"
            )


class NucleusModule(L.LightningModule):
    """Train one network with a weighted sum of losses.

    Parameters
    ----------
    recipe : Recipe
    n_classes : int
        Classes of nuclei, without background.
    """

    def __init__(self, recipe: Recipe, n_classes: int) -> None:
        super().__init__()
        self.recipe = recipe
        self.network = build_network(recipe.network.name, n_classes, **recipe.network.options)
        self.losses = nn.ModuleDict(
            {loss.name: build_loss(loss.name, n_classes, **loss.options) for loss in recipe.losses}
        )
        _check_losses(recipe, self.network, self.losses)
        self.loss_weights = {loss.name: loss.weight for loss in recipe.losses}
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", 255 * torch.tensor(recipe.mean)[:, None, None], False)
        self.register_buffer("std", 255 * torch.tensor(recipe.std)[:, None, None], False)
        if recipe.training.precision == "bf16":
            keep_depthwise_in_float32(self.network)
        self.to(memory_format=torch.channels_last)

    @property
    def needs(self) -> list[str]:
        """Names of the targets that the losses read."""
        return sorted({need for loss in self.losses.values() for need in loss.needs})  # type: ignore[union-attr]

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Raw outputs for images (b, 3, h, w), 0 to 255."""
        x = (image - self.mean) / self.std
        return self.network(x.contiguous(memory_format=torch.channels_last))

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """One step: the weighted sum of the losses, each of which is logged."""
        image, targets = batch
        # Networks with valid convolutions predict the middle of what they see.
        targets = crop_targets(targets, getattr(self.network, "margin", 0))
        outputs = self(image)
        total = image.new_zeros(())
        for name, loss in self.losses.items():
            value = loss(outputs, targets)
            self.log(f"train/{name}", value, batch_size=len(image))
            total = total + self.loss_weights[name] * value
        self.log("train/loss", total, prog_bar=True, batch_size=len(image))
        return total

    def on_train_start(self) -> None:
        """Take the rates from the recipe, which may differ from those of a run that is resumed."""
        settings = self.recipe.optimiser
        rate = rate_at(self.global_step, self.recipe.training.steps, settings)
        rates: list[Any] = [settings.lr * settings.encoder_lr, settings.lr]
        self.trainer.lr_scheduler_configs[0].scheduler.base_lrs = rates  # type: ignore[union-attr]
        for group, flat in zip(self.trainer.optimizers[0].param_groups, rates, strict=True):
            group["initial_lr"], group["lr"] = flat, flat * rate

    def transfer_batch_to_device(self, batch: Any, device: torch.device, index: int) -> Any:
        """Leave batches where they are: they were made on the device."""
        return batch

    def validation_step(self, sample: Sample, index: int) -> None:
        """Segment and score one image."""
        self._validator().add(self._deployed(), sample)

    def on_validation_epoch_end(self) -> None:
        """Log the scores over all images."""
        self.log_dict(self._validator().result(), prog_bar=False, batch_size=1)

    def _deployed(self) -> Deployed:
        network = self.network
        module = Deployed(network, self.recipe.mean, self.recipe.std, deployed_outputs(network)).to(
            self.device
        )
        return module.eval()

    def _validator(self) -> Validator:
        if self.__dict__.get("validator") is None:
            # Imported late: it needs the analyst's packages, which a bare GPU machine may lack.
            from karyoscope.training.validation import Validator

            self.validator = Validator(self.recipe, Taxonomy.load(self.recipe.taxonomy))
        return self.validator

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW in two groups (encoder, rest) with the recipe's schedule."""
        settings = self.recipe.optimiser
        encoder = list(self.network.encoder.parameters())
        known = {id(p) for p in encoder}
        rest = [p for p in self.network.parameters() if id(p) not in known]
        groups: list[dict[str, Any]] = [
            {"params": encoder, "lr": settings.lr * settings.encoder_lr},
            {"params": rest},
        ]
        optimiser = torch.optim.AdamW(
            groups,
            lr=settings.lr,
            weight_decay=settings.weight_decay,
        )
        steps = self.recipe.training.steps
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: rate_at(step, steps, settings)
        )
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
