"""The Lightning module of a mask-to-image GAN (smile, section II.A)."""

from __future__ import annotations

import copy
from typing import Any

import lightning as L
import torch
from torch import Tensor

from karyoscope.losses.adversarial import build_adversarial, feature_matching
from karyoscope.losses.perceptual import perceptual
from karyoscope.networks.mask2image import Discriminator, Mask2Image, draw_noise
from karyoscope.training.synthesis.encoder_features import EncoderFeatures
from karyoscope.training.synthesis.layouts import Tiles, make_layout, style_of, to_signed
from karyoscope.training.synthesis.recipe import SynthesisRecipe


class SynthesisModule(L.LightningModule):
    """Generator and discriminator in turn.

    Parameters
    ----------
    recipe : SynthesisRecipe
    n_classes : int
        Classes of nuclei, without background.
    """

    def __init__(self, recipe: SynthesisRecipe, n_classes: int) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.recipe = recipe
        self.n_classes = n_classes
        self.generator = Mask2Image(n_classes, **recipe.generator.model_dump())
        self.discriminator = Discriminator(n_classes, **recipe.discriminator.model_dump())
        self.averaged = copy.deepcopy(self.generator).requires_grad_(False)
        self.game = build_adversarial(recipe.losses.game)
        given = recipe.losses.perceptual
        # In a list, so that the fixed weights are neither trained nor saved.
        self._encoders = [EncoderFeatures(given.encoder, given.pretrained)] if given else []

    def training_step(self, batch: Tiles, index: int) -> None:
        """One step of the discriminator, then one of the generator."""
        image, ids, classes = batch
        real, layout = to_signed(image), make_layout(ids, classes, self.n_classes)
        # Noise follows from the step, so that a run that was stopped continues with the same.
        seed = self.recipe.training.seed * 1_000_003 + self.global_step
        rng = torch.Generator(real.device).manual_seed(seed)
        noise = draw_noise((len(real), *real.shape[-2:]), rng)
        fake = self.generator(layout, style_of(real), noise)
        generator, discriminator = self._rated()

        scores_real, _ = self.discriminator(layout, real)
        scores_fake, _ = self.discriminator(layout, fake.detach())
        critique = self.game.discriminator(scores_real, scores_fake)
        discriminator.zero_grad()
        self.manual_backward(critique)
        # Lightning counts the steps of its own optimisers; only the generator's are to count.
        discriminator.optimizer.step()

        terms = self._terms(layout, real, fake)
        generator.zero_grad()
        self.manual_backward(torch.stack(list(terms.values())).sum())
        generator.step()
        self._average()
        values = {f"train/{name}": value.detach() for name, value in terms.items()}
        self.log_dict(values | {"train/discriminator": critique.detach()}, batch_size=len(real))

    def _terms(self, layout: Tensor, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """What the generator minimises, each term with its weight."""
        weights = self.recipe.losses
        self.discriminator.requires_grad_(False)
        scores, features = self.discriminator(layout, fake)
        with torch.no_grad():
            _, expected = self.discriminator(layout, real)
        self.discriminator.requires_grad_(True)
        terms = {
            "adversarial": weights.adversarial * self.game.generator(scores),
            "features": weights.feature_matching * feature_matching(expected, features),
            "pixels": weights.pixels * (fake - real).abs().mean(),
        }
        if weights.perceptual:
            (features_of,) = self._encoders
            terms["perceptual"] = weights.perceptual.weight * perceptual(
                features_of(fake), features_of(real)
            )
        return terms

    def _rated(self) -> list[Any]:
        """Both optimisers, at the rates of this step."""
        settings, steps = self.recipe.optimiser, self.recipe.training.steps
        share = min(1.0, max(0, steps - self.global_step) / max(1, settings.decay))
        optimisers: list[Any] = self.optimizers()  # type: ignore[assignment]
        for optimiser, rate in zip(
            optimisers, (settings.lr, settings.discriminator_lr), strict=True
        ):
            for group in optimiser.param_groups:
                group["lr"] = rate * share
        return optimisers

    @torch.no_grad()
    def _average(self) -> None:
        # The first steps are forgotten sooner than the decay alone would have it.
        decay = min(self.recipe.training.average, self.global_step / (self.global_step + 10))
        for mean, value in zip(
            self.averaged.parameters(), self.generator.parameters(), strict=True
        ):
            mean.lerp_(value, 1 - decay)

    def _apply(self, fn: Any, recurse: bool = True) -> SynthesisModule:
        for encoder in self._encoders:
            encoder._apply(fn)
        return super()._apply(fn, recurse)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, index: int) -> Any:
        """Leave batches where they are: they were made on the device."""
        return batch

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam for each side, with the betas of pix2pix."""
        settings = self.recipe.optimiser
        return [
            torch.optim.Adam(self.generator.parameters(), settings.lr, (0.5, 0.999)),
            torch.optim.Adam(
                self.discriminator.parameters(), settings.discriminator_lr, (0.5, 0.999)
            ),
        ]
