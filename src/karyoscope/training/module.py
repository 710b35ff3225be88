"""The Lightning module: network, losses, optimiser of a recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from karyoscope.core.taxonomy import Taxonomy
from karyoscope.losses import build_loss
from karyoscope.networks import build_network
from karyoscope.networks.base import deployed_outputs
from karyoscope.networks.deployed import Deployed
from karyoscope.networks.encoder import keep_depthwise_in_float32
from karyoscope.targets import TargetOptions, crop_targets
from karyoscope.training.data.batches import Batch, step_seed
from karyoscope.training.loggers import show_picture
from karyoscope.training.optim.clock import TimeLimit
from karyoscope.training.optim.optimisers import build_optimiser, statistics_held
from karyoscope.training.recipe.schema import Recipe

if TYPE_CHECKING:
    from karyoscope.datasets import Sample
    from karyoscope.training.validation import Validator


class NucleusModule(L.LightningModule):
    """Train one network with a weighted sum of losses.

    Parameters
    ----------
    recipe : Recipe
    n_classes : int
        Classes of nuclei, without background.
    clock : TimeLimit, optional
        Given for a run that ends by the clock; the schedule then follows its time, not its steps.
    """

    def __init__(self, recipe: Recipe, n_classes: int, clock: TimeLimit | None = None) -> None:
        super().__init__()
        self.recipe = recipe
        self.clock = clock
        self.network = build_network(recipe.network.name, n_classes, **recipe.network.options)
        self.losses = nn.ModuleDict(
            {
                loss.label: build_loss(loss.name, n_classes, recipe.mpp, **loss.options)
                for loss in recipe.losses
            }
        )
        self.loss_weights = {loss.label: loss.weight for loss in recipe.losses}
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", 255 * torch.tensor(recipe.mean)[:, None, None], False)
        self.register_buffer("std", 255 * torch.tensor(recipe.std)[:, None, None], False)
        if recipe.training.precision == "bf16":
            keep_depthwise_in_float32(self.network)
        self.to(memory_format=torch.channels_last)
        self._again = False

    @property
    def needs(self) -> list[str]:
        """Names of the targets that the losses read."""
        return sorted({need for loss in self.losses.values() for need in loss.needs})  # type: ignore[union-attr]

    @property
    def target_options(self) -> TargetOptions:
        """Settings of these targets, as the losses ask for them."""
        options: dict[str, Mapping[str, Any]] = {}
        for loss in self.losses.values():
            options |= getattr(loss, "target_options", {})
        return options

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
        values = {name: loss(outputs, targets) for name, loss in self.losses.items()}
        weighted = (self.loss_weights[name] * value for name, value in values.items())
        total = sum(weighted, image.new_zeros(()))
        if not self._again:
            for name, value in values.items():
                self.log(f"train/{name}", value, batch_size=len(image))
            self.log("train/loss", total, batch_size=len(image))
        return total

    def on_train_start(self) -> None:
        """Take the rates from the recipe, which may differ from those of a run that is resumed."""
        settings = self.recipe.optimiser
        rate = self._rate_at(self.global_step)
        rates: list[Any] = [settings.lr * settings.encoder_lr, settings.lr]
        self.trainer.lr_scheduler_configs[0].scheduler.base_lrs = rates  # type: ignore[union-attr]
        for group, flat in zip(self.trainer.optimizers[0].param_groups, rates, strict=True):
            group["initial_lr"], group["lr"] = flat, flat * rate

    def _rate_at(self, step: int) -> float:
        return self.recipe.rate_at(step if self.clock is None else self.clock.step)

    def on_train_batch_start(self, batch: Batch, index: int) -> None:
        """Let dropout depend on the seed and the step alone, so that a run can be resumed."""
        settings = self.recipe.training
        if settings.statistics == "stored":
            for layer in self.network.modules():
                if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                    layer.eval()
        # A step of several batches has other masks for each.
        number = self.global_step * settings.accumulate + index % settings.accumulate
        torch.manual_seed(step_seed(settings.seed, number, self.global_rank))

    @contextmanager
    def second_pass(self) -> Iterator[None]:
        """Hold statistics and the log still during the second pass of SAM, at other weights."""
        self._again = True
        try:
            with statistics_held(self.network, self.losses):
                yield
        finally:
            self._again = False

    def transfer_batch_to_device(self, batch: Any, device: torch.device, index: int) -> Any:
        """Leave batches where they are: they were made on the device."""
        return batch

    def validation_step(self, sample: Sample | None, index: int) -> None:
        """Segment and score one image; None where this process has fewer than the others."""
        if sample is not None:
            self._validator().add(self._deployed(), sample)

    def on_validation_epoch_end(self) -> None:
        """Log the scores over all images of all processes, and draw some tiles."""
        name = f"tiles/{self.global_step:07d}.png"
        first = self.trainer.is_global_zero
        picture = Path(self.trainer.default_root_dir) / name if first else None
        self.log_dict(self._validator().finish(picture), prog_bar=False, batch_size=1)
        if picture is not None:
            show_picture(self.trainer.loggers, picture, self.global_step)

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

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Limit the norm of the gradient.

        Lightning refuses to where one kernel updates all weights, since such an optimiser may
        scale gradients itself; in bf16 nothing is scaled.
        """
        if gradient_clip_val:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), gradient_clip_val)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The recipe's optimiser in two groups (encoder, rest) with the recipe's schedule."""
        encoder = list(self.network.encoder.parameters())
        known = {id(p) for p in encoder}
        rest = [p for p in self.network.parameters() if id(p) not in known]
        optimiser = build_optimiser(self.recipe.optimiser, encoder, rest, self.second_pass)
        # As a function, of which checkpoints keep nothing; of a method they would.
        rate_at = self._rate_at
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate_at(step))
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
