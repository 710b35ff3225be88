"""Run a recipe: data, module, trainer, checkpoints."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path

import lightning as L
import torch
import yaml
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from karyoscope.errors import KaryoscopeError
from karyoscope.training.bank import PixelBank
from karyoscope.training.batches import TileBatches
from karyoscope.training.checkpoints import Checkpoints
from karyoscope.training.curves import plot_log, read_log, write_log
from karyoscope.training.data import ValidationImages, load_training_bank
from karyoscope.training.module import NucleusModule
from karyoscope.training.recipe import Recipe

log = logging.getLogger(__name__)


def train(recipe: Recipe, out: Path, resume: bool = False, device: str = "auto") -> Path:
    """Train a recipe.

    Parameters
    ----------
    recipe : Recipe
    out : path
        Folder for checkpoints, the log and a copy of the recipe.
    resume : bool
        Go on from ``out/last.ckpt``, at the step where it was written.
    device : {"auto", "cpu", "cuda"}

    Returns
    -------
    path
        The last checkpoint.
    """
    last = out / "last.ckpt"
    if resume and not last.is_file():
        raise KaryoscopeError(f"nothing to resume: {last} does not exist")
    if last.is_file() and not resume:
        raise KaryoscopeError(f"{out} holds a run already: give --resume or another --out")
    out.mkdir(parents=True, exist_ok=True)
    (out / "recipe.yaml").write_text(
        yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False), encoding="utf-8"
    )
    L.seed_everything(recipe.training.seed, verbose=False)
    bank = load_training_bank(recipe)
    accelerator = "gpu" if device == "cuda" else device
    if device != "cpu" and torch.cuda.is_available():
        bank = bank.to("cuda")
    module = NucleusModule(recipe, bank.n_classes)
    batches = _batches(recipe, bank, module.needs)
    log.info("%d images, %d tiles", len(bank), len(batches.tiles.image))
    if resume:
        batches.first_step = torch.load(last, map_location="cpu", weights_only=True)["global_step"]
    trainer = L.Trainer(
        default_root_dir=out,
        accelerator=accelerator,
        devices=1,
        max_steps=recipe.training.steps,
        precision="bf16-mixed" if recipe.training.precision == "bf16" else "32-true",
        gradient_clip_val=recipe.optimiser.clip,
        callbacks=_callbacks(recipe, out),
        # One log a start: Lightning would delete the log of the run that is resumed.
        logger=CSVLogger(out, "log", f"from-{batches.first_step:07d}", flush_logs_every_n_steps=50),
        log_every_n_steps=50,
        enable_model_summary=False,
        enable_checkpointing=False,
        # Batches have no end, so that validation goes by steps.
        val_check_interval=min(recipe.validation.every, recipe.training.steps),
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
    )
    trainer.fit(
        module,
        DataLoader(batches, batch_size=None),
        DataLoader(ValidationImages(recipe), batch_size=None) if _can_validate() else None,
        ckpt_path=last if resume else None,
        weights_only=True,
    )
    joined = read_log(out)
    write_log(joined, out / "log.csv")
    plot_log(joined, out / "curves.png")
    return last


def _batches(recipe: Recipe, bank: PixelBank, targets: list[str]) -> TileBatches:
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
    )


def _can_validate() -> bool:
    """Whether the packages of the post-processing are here; a bare GPU machine trains without."""
    return all(importlib.util.find_spec(name) for name in ("numba", "cv2", "scipy"))


def _callbacks(recipe: Recipe, out: Path) -> list[Callback]:
    average = [EMAWeightAveraging(decay=recipe.training.ema)] if recipe.training.ema else []
    return [*average, Checkpoints(out)]
