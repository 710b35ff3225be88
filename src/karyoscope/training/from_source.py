"""A recipe or a folder of annotated images, named by path: one call trains on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from karyoscope.core.errors import KaryoscopeError
from karyoscope.training.loggers import Log
from karyoscope.training.run import train
from karyoscope.training.source import RecipeSource, recipe_of


def train_from(
    source: RecipeSource,
    out: str | Path,
    *,
    changes: Sequence[str] = (),
    steps: int | None = None,
    seconds: float | None = None,
    resume: bool = False,
    device: str = "auto",
    devices: int | None = None,
    packed: Path | None = None,
    log_to: Log = "csv",
) -> Path:
    """Train a recipe, or fine-tune a model on a folder of annotated images.

    This is what ``karyoscope train`` does.

    Parameters
    ----------
    source : RecipeSource
        The recipe, and the data and the model to start from in place of those of the recipe.
    out : path
        Folder of the run; see :func:`karyoscope.training.train`.
    changes : sequence of str
        Keys to change, such as ``"training.batch_size=4"``.
    steps : int, optional
        Train for this many steps; the schedule is fitted to them, except for keys that ``changes``
        set.
    seconds : float, optional
        Train for this many seconds on one device, instead of a number of steps.
    resume : bool
        Continue from the last checkpoint in ``out``.
    device : {"auto", "cpu", "cuda", "mps"}
        Kind of device that trains the network.
    devices : int, optional
        Number of GPUs, or of processes on a CPU, that train together.
    packed : path, optional
        Training images in one file; see :func:`karyoscope.training.train`.
    log_to : {"csv", "tensorboard", "wandb", "mlflow"}
        Further format of the training log; see :func:`karyoscope.training.train`.

    Returns
    -------
    path
        The last checkpoint.

    Raises
    ------
    KaryoscopeError
        If ``seconds`` is given with ``steps`` or with several devices, or the recipe, the data or
        ``out`` cannot be used.
    """
    if seconds is not None and (steps is not None or (devices or 1) > 1):
        raise KaryoscopeError("a training by the clock takes no number of steps and one device")
    all_changes = [*changes, *([] if devices is None else [f"training.devices={devices}"])]
    recipe = recipe_of(source, Path(out), all_changes, resume, steps)
    return train(recipe, Path(out), resume, device, packed, log_to, seconds)
