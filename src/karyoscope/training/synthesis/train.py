"""Training of a mask-to-image GAN (smile, section II.A)."""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, RichProgressBar
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor
from torch.utils.data import DataLoader

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.yaml import dump_yaml
from karyoscope.losses.adversarial import build_adversarial, feature_matching
from karyoscope.losses.perceptual import perceptual
from karyoscope.networks.mask2image import Discriminator, Mask2Image, draw_noise
from karyoscope.training.checkpoints import Checkpoints, last_checkpoint
from karyoscope.training.curves import summarise_log
from karyoscope.training.synthesis.data import TileSource, load_sources
from karyoscope.training.synthesis.generator import GENERATOR, save_generator
from karyoscope.training.synthesis.layouts import (
    LayoutTiles,
    Tiles,
    TileWindows,
    make_layout,
    style_of,
    to_signed,
)
from karyoscope.training.synthesis.recipe import SynthesisRecipe
from karyoscope.training.synthesis.seen import SeenByEncoder

log = logging.getLogger(__name__)


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
        self._seen = [SeenByEncoder(given.encoder, given.pretrained)] if given else []

    def training_step(self, batch: Tiles, index: int) -> None:
        """One step of the discriminator, then one of the generator."""
        image, ids, classes = batch
        real, layout = to_signed(image), make_layout(ids, classes, self.n_classes)
        # Noise follows from the step, so that a run that was stopped goes on with the same.
        seed = self.recipe.training.seed * 1_000_003 + self.global_step
        rng = torch.Generator(real.device).manual_seed(seed)
        noise = draw_noise((len(real), *real.shape[-2:]), rng)
        fake = self.generator(layout, style_of(real), noise)
        generator, discriminator = self._rated()

        scores_real, _ = self.discriminator(layout, real)
        scores_fake, _ = self.discriminator(layout, fake.detach())
        told = self.game.discriminator(scores_real, scores_fake)
        discriminator.zero_grad()
        self.manual_backward(told)
        # Lightning counts the steps of its own optimisers; only the generator's are to count.
        discriminator.optimizer.step()

        terms = self._terms(layout, real, fake)
        generator.zero_grad()
        self.manual_backward(torch.stack(list(terms.values())).sum())
        generator.step()
        self._average()
        values = {f"train/{name}": value.detach() for name, value in terms.items()}
        self.log_dict(values | {"train/discriminator": told.detach()}, batch_size=len(real))

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
            (seen,) = self._seen
            terms["perceptual"] = weights.perceptual.weight * perceptual(seen(fake), seen(real))
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
        for seen in self._seen:
            seen._apply(fn)
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


class SavedGenerator(Callback):
    """Write the averaged generator beside each checkpoint."""

    def __init__(self, recipe: SynthesisRecipe, source: TileSource, out: Path) -> None:
        self._recipe = recipe
        self._source = source
        self._out = out

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_: object) -> None:
        """Write at the steps at which a checkpoint is written."""
        step = trainer.global_step
        if step % self._recipe.training.save_every and step < trainer.max_steps:
            return
        recipe = self._recipe
        card = {
            "name": recipe.name,
            "description": " ".join(recipe.description.split()),
            "licence": recipe.licence,
            "mpp": self._source.mpp,
            "tile": recipe.training.tile,
            "training": {
                "data": [str(source.path) for source in recipe.data],
                "images": [record.name for record in self._source.records],
                "steps": step,
                "batch_size": recipe.training.batch_size,
            },
        }
        save_generator(
            module.averaged,  # type: ignore[arg-type]
            recipe.generator.model_dump(),
            self._source.taxonomy,
            card,
            self._out / GENERATOR,
        )


def train_generator(
    recipe: SynthesisRecipe, out: Path, resume: bool = False, device: str = "auto"
) -> Path:
    """Train a recipe.

    Parameters
    ----------
    recipe : SynthesisRecipe
    out : path
        Folder for checkpoints, the generator, the log and a copy of the recipe.
    resume : bool
        Go on from ``out/last.ckpt``, at the step where it was written.
    device : {"auto", "cpu", "cuda"}

    Returns
    -------
    path
        Folder of the generator.
    """
    last = last_checkpoint(out, resume)
    _check_tile(recipe)
    settings = recipe.training
    source = load_sources(recipe)
    for line in source.skipped:
        log.warning("%s", line)
    out.mkdir(parents=True, exist_ok=True)
    text = dump_yaml(recipe.model_dump(mode="json"))
    (out / "recipe.yaml").write_text(text, encoding="utf-8")
    L.seed_everything(settings.seed, verbose=False)
    bank = source.bank
    if device != "cpu" and torch.cuda.is_available():
        bank = bank.to("cuda")
    windows = TileWindows(bank, settings.tile, settings.balanced)
    batches = LayoutTiles(windows, settings.batch_size, settings.seed)
    log.info("%d images, %d tiles", len(bank), len(windows.tiles.image))
    if resume:
        batches.first_step = torch.load(last, map_location="cpu", weights_only=True)["global_step"]
    callbacks = [
        Checkpoints(out, settings.save_every),
        SavedGenerator(recipe, source, out),
        # Results alone go to stdout.
        RichProgressBar(console_kwargs={"stderr": True}),
    ]
    trainer = _trainer(recipe, out, device, batches.first_step, callbacks)
    trainer.fit(
        SynthesisModule(recipe, bank.n_classes),
        DataLoader(batches, batch_size=None),
        ckpt_path=last if resume else None,
        weights_only=True,
    )
    summarise_log(out)
    return out / GENERATOR


def _check_tile(recipe: SynthesisRecipe) -> None:
    tile, halvings = recipe.training.tile, recipe.generator.halvings
    if tile % 2**halvings:
        raise KaryoscopeError(
            f"tiles of {tile} px do not fit {halvings} halvings: give a multiple of {2**halvings}"
        )


def _trainer(
    recipe: SynthesisRecipe, out: Path, device: str, first_step: int, callbacks: list[Any]
) -> L.Trainer:
    settings = recipe.training
    return L.Trainer(
        default_root_dir=out,
        accelerator="gpu" if device == "cuda" else device,
        devices=1,
        max_steps=settings.steps,
        precision="bf16-mixed" if settings.precision == "bf16" else "32-true",
        callbacks=callbacks,
        # One log a start: Lightning would delete the log of the run that is resumed.
        logger=CSVLogger(out, "log", f"from-{first_step:07d}", flush_logs_every_n_steps=50),
        log_every_n_steps=min(50, settings.steps),
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
    )
