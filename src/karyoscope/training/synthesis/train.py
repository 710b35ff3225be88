"""Train a mask-to-image GAN, and write its generator beside each checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import Callback

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.yaml import dump_yaml
from karyoscope.training.checkpoints import Checkpoints
from karyoscope.training.curves import summarise_log
from karyoscope.training.synthesis.data import TileSource, load_sources
from karyoscope.training.synthesis.generator import GENERATOR, save_generator
from karyoscope.training.synthesis.layouts import LayoutTiles, TileWindows
from karyoscope.training.synthesis.module import SynthesisModule
from karyoscope.training.synthesis.recipe import SynthesisRecipe, load_synthesis_recipe
from karyoscope.training.trainer import (
    begun_run,
    build_trainer,
    finished_steps,
    fit,
    trains_on_gpu,
)

log = logging.getLogger(__name__)


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


def train_generator_from(
    source: str | Path,
    out: str | Path,
    *,
    changes: Sequence[str] = (),
    resume: bool = False,
    device: str = "auto",
) -> Path:
    """Train a mask-to-image generator from a recipe or a folder of images that is named by path.

    This is what ``karyoscope synthesize train`` does.

    Parameters
    ----------
    source : str or path
        Recipe or folder of annotated images; see :func:`load_synthesis_recipe`.
    out : path
        Folder for checkpoints, the generator, the log and a copy of the recipe.
    changes : sequence of str
        Keys of the recipe to change, such as ``"training.steps=1000"``.
    resume, device : bool and str
        See :func:`train_generator`.

    Returns
    -------
    path
        Folder of the generator.

    Raises
    ------
    KaryoscopeError
        If there is no such recipe, or it cannot be trained; see :func:`train_generator`.
    """
    recipe = load_synthesis_recipe(source, list(changes))
    return train_generator(recipe, Path(out), resume, device)


def train_generator(
    recipe: SynthesisRecipe, out: Path, resume: bool = False, device: str = "auto"
) -> Path:
    """Train a recipe.

    Parameters
    ----------
    recipe : SynthesisRecipe
        Recipe of the training.
    out : path
        Folder for checkpoints, the generator, the log and a copy of the recipe.
    resume : bool
        Continue from ``out/last.ckpt``, at the step where it was written.
    device : {"auto", "cpu", "cuda"}
        Device that trains the network; ``auto`` takes a GPU if there is one.

    Returns
    -------
    path
        Folder of the generator.

    Raises
    ------
    KaryoscopeError
        If a tile does not fit the generator, the data cannot be read, there is nothing to resume,
        or ``out`` holds a run and it is not resumed.
    """
    _check_tile(recipe)
    described = {"recipe.yaml": dump_yaml(recipe.model_dump(mode="json")).encode()}
    with begun_run(out, resume, described) as last:
        settings = recipe.training
        source = load_sources(recipe)
        for line in source.skipped:
            log.warning("%s", line)
        L.seed_everything(settings.seed, verbose=False)
        bank = source.bank
        if trains_on_gpu(device):
            bank = bank.to("cuda")
        windows = TileWindows(bank, settings.tile, settings.balanced)
        batches = LayoutTiles(windows, settings.batch_size, settings.seed)
        log.info("%d images, %d tiles", len(bank), len(windows.tiles.image))
        batches.first_step = finished_steps(last) if resume else 0
        trainer = build_trainer(
            out,
            device,
            settings.steps,
            batches.first_step,
            [Checkpoints(out, settings.save_every), SavedGenerator(recipe, source, out)],
            batch_size=settings.batch_size,
            precision=settings.precision,
        )
        module = SynthesisModule(recipe, bank.n_classes)
        fit(trainer, module, batches, None, last if resume else None, out, described)
        summarise_log(out)
        return out / GENERATOR


def _check_tile(recipe: SynthesisRecipe) -> None:
    tile, halvings = recipe.training.tile, recipe.generator.halvings
    if tile % 2**halvings:
        raise KaryoscopeError(
            f"tiles of {tile} px cannot be halved {halvings} times: give a multiple of"
            f" {2**halvings}"
        )
