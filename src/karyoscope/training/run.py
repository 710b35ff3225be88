"""Run a recipe: data, module, trainer, checkpoints."""

from __future__ import annotations

import logging
from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import Callback, EarlyStopping
from torch.utils.data import DataLoader

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.core.yaml import dump_yaml
from karyoscope.training.checkpoints import Checkpoints
from karyoscope.training.curves import summarise_log
from karyoscope.training.data.bank import PixelBank
from karyoscope.training.data.batches import TileBatches
from karyoscope.training.interpolation import ParentWeights, read_parent, write_parent
from karyoscope.training.keep_parent import Kept, NetworkScores, keep_of_parent, write_kept
from karyoscope.training.kept import TRAINED_ON, describe, description_of, resolved
from karyoscope.training.loggers import Log
from karyoscope.training.module import NucleusModule
from karyoscope.training.optim.averaging import MovingAverage
from karyoscope.training.optim.clock import TimeLimit
from karyoscope.training.optim.phases import Phases, batch_size_at
from karyoscope.training.packed.files import read_packed, read_packed_validation
from karyoscope.training.recipe.check import ANALYST, can_validate
from karyoscope.training.recipe.parent import RECIPE
from karyoscope.training.recipe.plugins import kept_with_run
from karyoscope.training.recipe.schema import Recipe
from karyoscope.training.start import start_from
from karyoscope.training.teacher import check_teachers, taught
from karyoscope.training.trainer import (
    begun_run,
    build_trainer,
    check_device,
    finished_steps,
    fit,
    is_first,
    trains_on_gpu,
)
from karyoscope.training.weights import write_weights

log = logging.getLogger(__name__)

WEIGHTS = "weights.safetensors"


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
        Recipe of the training.
    out : path
        Folder for checkpoints, the log, sample tiles, the recipe as resolved with its splits and
        plugin files, and what was trained on; with these a run is exported from anywhere and
        without its data.
    resume : bool
        Continue from ``out/last.ckpt``, at the step where it was written.
    device : {"auto", "cpu", "cuda"}
        Device that trains the network; ``auto`` takes a GPU if there is one.
    packed : path, optional
        Training images in one file, in place of the recipe's data, and the validation images if
        it has them; see :func:`~karyoscope.training.packed.files.read_packed`.
    log_to : {"csv", "tensorboard", "wandb", "mlflow"}
        Where curves and sample tiles go beside the CSV; see
        :func:`karyoscope.training.loggers.build_loggers`.
    seconds : float, optional
        Train for this long instead of the recipe's steps, with the schedule and the phases
        fitted to it; validation is then one, at the end. See
        :class:`~karyoscope.training.optim.clock.TimeLimit`.

    Returns
    -------
    path
        The last checkpoint. ``weights.safetensors`` beside it holds the (averaged) weights alone.

    Raises
    ------
    KaryoscopeError
        If there is nothing to resume, if ``out`` holds a run and it is not resumed, if the device
        is not there, or if the disk is full.
    """
    check_device(device)
    check_teachers(recipe)
    settings = recipe.training
    said, files = kept_with_run(recipe)
    said, splits = resolved(said)
    kept = {**files, **splits, RECIPE: dump_yaml(said).encode()}
    L.seed_everything(settings.seed, verbose=False)
    clock = None if seconds is None else TimeLimit(seconds, settings.steps)
    module = NucleusModule(recipe, len(Taxonomy.load(recipe.taxonomy)), clock)
    # After the network: where its weights are missing, no folder is begun.
    with begun_run(out, resume, kept) as last:
        start = None
        if recipe.start is not None and not resume:
            start = start_from(module.network, recipe)
            if is_first():
                write_parent(start.weights, out)
        # Read, so that a run that is resumed keeps of the same parent, and finds out now.
        parent_weights = read_parent(out) if settings.keep_parent else None
        first_step = finished_steps(last) if resume else 0
        trainer = build_trainer(
            out,
            device,
            settings.steps if clock is None else -1,
            first_step,
            _callbacks(recipe, out, clock, trains_on_gpu(device)),
            batch_size=settings.batch_size * settings.accumulate,
            devices=settings.devices,
            precision=settings.precision,
            log_to=log_to,
            log_every=settings.log_every,
            gradient_clip_val=recipe.optimiser.clip,
            accumulate_grad_batches=settings.accumulate,
            # Batches have no end, so that validation goes by steps; Lightning counts batches.
            val_check_interval=min(recipe.validation.every, settings.steps) * settings.accumulate,
            check_val_every_n_epoch=None,
        )
        bank = _bank(recipe, packed)
        if is_first():
            described = describe(recipe, bank, packed is not None)
            parent = None if start is None else start.to_dict()
            kept[TRAINED_ON] = description_of(out, described, parent)
        bank = bank.to(trainer.strategy.root_device)
        if recipe.teacher:
            bank = taught(bank, recipe.teacher, recipe.soft_labels, write=is_first())
        batches = batches_of(recipe, bank, module, trainer.global_rank, clock)
        batches.first_step = first_step * settings.accumulate
        log.info("%d images, %d tiles", len(bank), len(batches.tiles.image))
        images = _validation_images(recipe, packed, trainer)
        if images is None and settings.keep_parent == "choose":
            raise KaryoscopeError(
                "training.keep_parent: choose needs validation images, and there are none; give a"
                " number"
            )
        shown = images if clock is None else None
        fit(trainer, module, batches, shown, last if resume else None, out, kept)
        if clock is not None and images is not None:
            trainer.validate(module, images, verbose=False)
        mixed = None
        if parent_weights is not None:
            mixed = _keep_of_parent(recipe, module, parent_weights, images, trainer)
        if trainer.is_global_zero:
            share = None if mixed is None else mixed.share
            write_weights(module.network, out / WEIGHTS, trainer.global_step, share)
            if mixed is not None:
                write_kept(mixed, out)
        if trainer.is_global_zero:
            summarise_log(out)
        return last


def _keep_of_parent(
    recipe: Recipe,
    module: NucleusModule,
    parent: ParentWeights,
    images: DataLoader | None,
    trainer: L.Trainer,
) -> Kept:
    """Mix the parent's weights in, and log the scores of what becomes of the network."""
    device = trainer.strategy.root_device
    module.network.to(device)
    kept = keep_of_parent(recipe, module.network, parent, NetworkScores(recipe, images, device))
    log.info("%s", kept)
    scores = kept.scores.get(f"{kept.share:g}", {})
    for logger in trainer.loggers if trainer.is_global_zero else []:
        logger.log_metrics({f"val/{k}": v for k, v in scores.items()}, trainer.global_step)
        logger.save()
    return kept


def _bank(recipe: Recipe, packed: Path | None) -> PixelBank:
    if packed is not None:
        return read_packed(packed, recipe)
    # Imported late: it needs the analyst's packages, which a bare GPU machine may lack.
    from karyoscope.training.data.images import load_training_bank

    return load_training_bank(recipe)


def _validation_images(
    recipe: Recipe, packed: Path | None, trainer: L.Trainer
) -> DataLoader | None:
    if not can_validate():
        log.info("no validation: it needs %s", ", ".join(ANALYST))
        return None
    from karyoscope.training.data.images import PackedValidationImages, ValidationImages

    place = trainer.global_rank, trainer.world_size
    samples = [] if packed is None else read_packed_validation(packed, recipe)
    if samples:
        return DataLoader(PackedValidationImages(samples, *place), batch_size=None)
    if packed is not None and not recipe.data[0].path.exists():
        log.info("no validation: %s does not exist", recipe.data[0].path)
        return None
    images = ValidationImages(recipe, *place)
    return DataLoader(images, batch_size=None)


def batches_of(
    recipe: Recipe,
    bank: PixelBank,
    module: NucleusModule,
    rank: int = 0,
    clock: TimeLimit | None = None,
) -> TileBatches:
    """Return a recipe's batches; see :class:`~karyoscope.training.data.batches.TileBatches`.

    Parameters
    ----------
    recipe : Recipe
    bank : PixelBank
    module : NucleusModule
        Its losses say which targets are made.
    rank : int
    clock : TimeLimit, optional
        Given for a run that ends by the clock; phases then follow its time.
    """
    settings = recipe.training

    def size(number: int) -> int:
        step = number // settings.accumulate if clock is None else clock.step
        return batch_size_at(step, recipe.phases, settings.batch_size)

    return TileBatches(
        bank,
        module.needs,
        settings.tile,
        size if recipe.phases else settings.batch_size,
        recipe.geometry,
        recipe.colour,
        settings.balanced,
        settings.seed,
        rank,
        module.target_options,
        settings.paste,
    )


def _callbacks(recipe: Recipe, out: Path, clock: TimeLimit | None, on_gpu: bool) -> list[Callback]:
    settings = recipe.training
    callbacks: list[Callback] = [] if clock is None else [clock]
    if recipe.phases:
        callbacks.append(Phases(recipe.phases, clock))
    if settings.ema:
        callbacks.append(MovingAverage(settings.ema, "cuda" if on_gpu else "cpu"))
    if settings.patience:
        # A score that is not a number is no better, and no reason to end at once.
        callbacks.append(
            EarlyStopping(
                "val/mpq_plus",
                patience=settings.patience,
                mode="max",
                strict=False,
                check_finite=False,
            )
        )
    return [*callbacks, Checkpoints(out, settings.checkpoint_every)]
