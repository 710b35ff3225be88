"""Train a RestainNet towards a set of images, and write its bundle."""

from __future__ import annotations

import logging
from pathlib import Path

import lightning as L

from karyoscope.core.yaml import dump_yaml
from karyoscope.training.checkpoints import Checkpoints
from karyoscope.training.curves import summarise_log
from karyoscope.training.restain.export import export_restainer
from karyoscope.training.restain.module import RestainModule
from karyoscope.training.restain.settings import RestainSettings
from karyoscope.training.restain.tiles import ColourTiles, Target
from karyoscope.training.trainer import begun_run, build_trainer, finished_steps, fit

log = logging.getLogger(__name__)


def train_restainer(
    settings: RestainSettings,
    target: Target,
    out: Path,
    resume: bool = False,
    device: str = "auto",
) -> Path:
    """Train a RestainNet.

    Parameters
    ----------
    settings : RestainSettings
        Settings of the training.
    target : Target
        Images to resemble; see :func:`~karyoscope.training.restain.tiles.read_target`.
    out : path
        Folder for the checkpoint, the log, the settings and the bundle.
    resume : bool
        Go on from ``out/last.ckpt``, at the step where it was written.
    device : {"auto", "cpu", "cuda"}

    Returns
    -------
    path
        The bundle, ``out/bundle``.

    Raises
    ------
    KaryoscopeError
        If there is nothing to resume, or if ``out`` holds a run and it is not resumed.
    """
    described = {"settings.yaml": dump_yaml(settings.model_dump()).encode()}
    with begun_run(out, resume, described) as last:
        L.seed_everything(settings.seed, verbose=False)
        module = RestainModule(settings)
        counted = module.counted_per_step
        first = finished_steps(last, counted) if resume else 0
        tiles = ColourTiles(target.images, settings.tile, settings.batch_size, settings.seed, first)
        log.info("%d images of %d files", len(target.images), len(target.names))
        trainer = build_trainer(
            out,
            device,
            settings.steps,
            first,
            [Checkpoints(out)],
            batch_size=settings.batch_size,
            counted_per_step=counted,
        )
        fit(trainer, module, tiles, None, last if resume else None, out, described)
        summarise_log(out)
        return export_restainer(module, target, out / "bundle")
