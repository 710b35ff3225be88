"""Run a recipe: data, module, trainer, checkpoints."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Literal

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger, Logger
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities import rank_zero_only
from torch.utils.data import DataLoader

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.optional import installed
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.core.yaml import dump_yaml
from karyoscope.training.averaging import MovingAverage
from karyoscope.training.bank import PixelBank
from karyoscope.training.batches import TileBatches
from karyoscope.training.check import ANALYST, can_validate
from karyoscope.training.checkpoints import Checkpoints, last_checkpoint
from karyoscope.training.clock import TimeLimit
from karyoscope.training.curves import summarise_log
from karyoscope.training.module import NucleusModule
from karyoscope.training.pace import Pace
from karyoscope.training.packed import read_packed, read_packed_validation
from karyoscope.training.phases import Phases
from karyoscope.training.schema import Recipe
from karyoscope.training.teacher import taught
from karyoscope.training.weights import start_from, write_weights

log = logging.getLogger(__name__)

Log = Literal["csv", "tensorboard"]


def train(
    recipe: Recipe,
    out: Path,
    resume: bool = False,
    device: str = "auto",
    packed: Path | None = None,
    log_to: Log = "csv",
    seconds: float | None = None,
) -> Path:
    """Train a recipe.

    With several ``training.devices`` the program starts itself once more for each of the others.

    Parameters
    ----------
    recipe : Recipe
    out : path
        Folder for checkpoints, the log, sample tiles and a copy of the recipe.
    resume : bool
        Go on from ``out/last.ckpt``, at the step where it was written.
    device : {"auto", "cpu", "cuda"}
    packed : path, optional
        Training images in one file, in place of the recipe's data, and the validation images if
        it has them; see :func:`~karyoscope.training.packed.read_packed`.
    log_to : {"csv", "tensorboard"}
        ``tensorboard`` writes its files beside the CSV.
    seconds : float, optional
        Train for this long instead of the recipe's steps, with the schedule and the phases
        fitted to it; validation is then one, at the end. See
        :class:`~karyoscope.training.clock.TimeLimit`.

    Returns
    -------
    path
        The last checkpoint. ``weights.safetensors`` beside it holds the (averaged) weights alone.
    """
    last = out / "last.ckpt"
    if getattr(rank_zero_only, "rank", 0) == 0:
        _prepare(recipe, out, resume)
    L.seed_everything(recipe.training.seed, verbose=False)
    clock = None if seconds is None else TimeLimit(seconds, recipe.training.steps)
    module = NucleusModule(recipe, len(Taxonomy.load(recipe.taxonomy)), clock)
    if recipe.start is not None and not resume:
        start_from(module.network, recipe.start)
    first_step = 0
    if resume:
        first_step = torch.load(last, map_location="cpu", weights_only=True)["global_step"]
    trainer = _trainer(recipe, out, device, _loggers(out, first_step, log_to), clock)
    bank = _bank(recipe, packed).to(trainer.strategy.root_device)
    if recipe.teacher is not None:
        bank = taught(bank, recipe.teacher)
    batches = batches_of(recipe, bank, module.needs, trainer.global_rank)
    batches.first_step = first_step
    log.info("%d images, %d tiles", len(bank), len(batches.tiles.image))
    images = _validation_images(recipe, packed, trainer)
    trainer.fit(
        module,
        DataLoader(batches, batch_size=None),
        images if clock is None else None,
        ckpt_path=last if resume else None,
        weights_only=True,
    )
    if trainer.is_global_zero:
        write_weights(module.network, out / "weights.safetensors")
    if clock is not None and images is not None:
        trainer.validate(module, images, verbose=False)
    if trainer.is_global_zero:
        summarise_log(out)
    return last


def _prepare(recipe: Recipe, out: Path, resume: bool) -> None:
    """Check the folder of the run, and copy the recipe to it."""
    last_checkpoint(out, resume)
    out.mkdir(parents=True, exist_ok=True)
    (out / "recipe.yaml").write_text(dump_yaml(recipe.model_dump(mode="json")), encoding="utf-8")


def _trainer(
    recipe: Recipe, out: Path, device: str, loggers: list[Logger], clock: TimeLimit | None
) -> L.Trainer:
    settings = recipe.training
    on_gpu = device != "cpu" and torch.cuda.is_available()
    # A frozen part, or an output that no loss reads, has no gradients to wait for.
    several = DDPStrategy(find_unused_parameters=True) if settings.devices > 1 else "auto"
    return L.Trainer(
        default_root_dir=out,
        accelerator="gpu" if device == "cuda" else device,
        devices=settings.devices,
        strategy=several,
        max_steps=settings.steps if clock is None else -1,
        precision="bf16-mixed" if settings.precision == "bf16" else "32-true",
        gradient_clip_val=recipe.optimiser.clip,
        callbacks=_callbacks(recipe, out, clock, on_gpu),
        # cuDNN's search for the fastest convolutions takes 20 s on an H100, and finds none there.
        benchmark=False,
        logger=loggers,
        log_every_n_steps=50,
        # A bar reads the loss at every step, for which a GPU would have to be waited for.
        enable_progress_bar=sys.stderr.isatty() and not on_gpu,
        enable_model_summary=False,
        enable_checkpointing=False,
        # Batches have no end, so that validation goes by steps.
        val_check_interval=min(recipe.validation.every, settings.steps),
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        # The data know which process they are for.
        use_distributed_sampler=False,
    )


def _loggers(out: Path, first_step: int, log_to: Log) -> list[Logger]:
    # One log a start: Lightning would delete the log of the run that is resumed.
    name = f"from-{first_step:07d}"
    loggers: list[Logger] = [CSVLogger(out, "log", name, flush_logs_every_n_steps=50)]
    if log_to == "tensorboard":
        if not installed("tensorboard"):
            raise KaryoscopeError("tensorboard not installed: run `pip install tensorboard`")
        # Imported late: few have it.
        from lightning.pytorch.loggers import TensorBoardLogger

        loggers.append(TensorBoardLogger(out, "tensorboard", name))
    return loggers


def _bank(recipe: Recipe, packed: Path | None) -> PixelBank:
    if packed is not None:
        return read_packed(packed, recipe)
    # Imported late: it needs the analyst's packages, which a bare GPU machine may lack.
    from karyoscope.training.data import load_training_bank

    return load_training_bank(recipe)


def _validation_images(
    recipe: Recipe, packed: Path | None, trainer: L.Trainer
) -> DataLoader | None:
    if not can_validate():
        log.info("no validation: it needs %s", ", ".join(ANALYST))
        return None
    from karyoscope.training.data import PackedValidationImages, ValidationImages

    place = trainer.global_rank, trainer.world_size
    samples = [] if packed is None else read_packed_validation(packed, recipe)
    if samples:
        return DataLoader(PackedValidationImages(samples, *place), batch_size=None)
    if packed is not None and not recipe.data[0].path.exists():
        log.info("no validation: %s does not exist", recipe.data[0].path)
        return None
    images = ValidationImages(recipe, *place)
    return DataLoader(images, batch_size=None)


def batches_of(recipe: Recipe, bank: PixelBank, targets: list[str], rank: int = 0) -> TileBatches:
    """The batches of a recipe; see :class:`~karyoscope.training.batches.TileBatches`."""
    settings = recipe.training
    return TileBatches(
        bank,
        targets,
        settings.tile,
        settings.batch_size,
        recipe.geometry,
        recipe.colour,
        settings.balanced,
        settings.seed,
        rank,
    )


def _callbacks(recipe: Recipe, out: Path, clock: TimeLimit | None, on_gpu: bool) -> list[Callback]:
    settings = recipe.training
    callbacks: list[Callback] = [] if clock is None else [clock]
    if recipe.phases:
        callbacks.append(Phases(recipe.phases, clock))
    if settings.ema:
        callbacks.append(MovingAverage(settings.ema, "cuda" if on_gpu else "cpu"))
    return [*callbacks, Pace(settings.batch_size * settings.devices), Checkpoints(out)]
