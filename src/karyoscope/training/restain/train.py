"""Train a RestainNet towards a set of images, and write its bundle."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import lightning as L

from karyoscope.core.yaml import dump_yaml
from karyoscope.training.checkpoints import Checkpoints
from karyoscope.training.curves import summarise_log
from karyoscope.training.restain.export import export_restainer
from karyoscope.training.restain.module import RestainModule
from karyoscope.training.restain.settings import RestainSettings
from karyoscope.training.restain.tiles import ColourTiles, Target, read_target
from karyoscope.training.trainer import begun_run, build_trainer, finished_steps, fit

log = logging.getLogger(__name__)


def train_restainer_from(
    target: Sequence[str],
    out: str | Path,
    *,
    changes: Sequence[str] = (),
    name: str | None = None,
    working_mpp: float = 0.5,
    file_mpp: float | None = None,
    resume: bool = False,
    device: str = "auto",
) -> Path:
    """Train a RestainNet on target slides and images that are named by path.

    This is what ``karyoscope restain train`` does.

    Parameters
    ----------
    target : sequence of str
        Slides and images with the target staining: files, folders or globs.
    out : path
        Folder for the bundle, the checkpoint and the log.
    changes : sequence of str
        Settings to change, such as ``"steps=2000"``; see :class:`RestainSettings`.
    name : str, optional
        Name of the bundle; by default that of ``out``.
    working_mpp : float
        Micrometres per pixel at which the network works.
    file_mpp : float, optional
        Micrometres per pixel of the target, where its files do not state it.
    resume, device : bool and str
        See :func:`train_restainer`.

    Returns
    -------
    path
        The bundle, ``out/bundle``.

    Raises
    ------
    KaryoscopeError
        If a setting is unknown, the target cannot be read or shows no stained tissue, or ``out``
        cannot be used.
    """
    out = Path(out)
    given = {"name": name or out.resolve().name, "mpp": working_mpp}
    settings = RestainSettings.of_changes(list(changes), **given)
    images = read_target(list(target), settings.mpp, file_mpp)
    return train_restainer(settings, images, out, resume, device)


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
        Images with the target staining; see :func:`~karyoscope.training.restain.tiles.read_target`.
    out : path
        Folder for the checkpoint, the log, the settings and the bundle.
    resume : bool
        Continue from ``out/last.ckpt``, at the step where it was written.
    device : {"auto", "cpu", "cuda"}
        Device that trains the network; ``auto`` takes a GPU if there is one.

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
