"""How every training begins: the guard over the folder of its run, and Lightning's trainer."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities import rank_zero_only
from safetensors import SafetensorError
from torch.utils.data import DataLoader, IterableDataset

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import cannot_write, write_bytes
from karyoscope.core.lock import locked_folder
from karyoscope.training.loggers import Log, build_loggers
from karyoscope.training.pace import Pace
from karyoscope.training.progress import StepBar, quiet

LAST = "last.ckpt"
_LOG_EVERY = 50


@contextmanager
def begun_run(out: Path, resume: bool, described: Mapping[str, bytes]) -> Iterator[Path]:
    """Hold the folder of a run, for a ``with`` block, and write what describes the run.

    Neither is done where that would harm another run: where its checkpoint would be replaced, or
    where it still trains. A run that is to be continued is described anew only once it does; see
    :func:`fit`. Of several processes that train together only the first looks, locks and writes.

    Parameters
    ----------
    out : path
        Folder of the run.
    resume : bool
        Whether the run in ``out`` is to be continued.
    described : mapping of str to bytes
        Files that describe the run, such as ``recipe.yaml``, by name.

    Yields
    ------
    path
        The last checkpoint, which exists if the run is resumed.

    Raises
    ------
    KaryoscopeError
        If there is nothing to resume, if the folder holds a run and it is not resumed, if
        another process trains there, or if the disk is full.
    """
    last = out / LAST
    if not is_first():
        yield last
        return
    if resume and not last.is_file():
        raise KaryoscopeError(f"nothing to resume: {last} does not exist")
    with locked_folder(out):
        if last.is_file() and not resume:
            raise KaryoscopeError(f"{out} holds a run already: give --resume or another --out")
        if not resume:
            _write(out, described)
        try:
            yield last
        except (OSError, RuntimeError, SafetensorError) as error:
            if not _is_full_disk(error):
                raise
            kept = "; --resume continues from the last checkpoint" if last.is_file() else ""
            full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise KaryoscopeError(cannot_write(out, full) + kept) from error


def _is_full_disk(error: BaseException) -> bool:
    """Whether a write failed for want of space, in the words of each library."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    said = str(error)
    return os.strerror(errno.ENOSPC) in said or "PytorchStreamWriter failed writing" in said


def is_first() -> bool:
    """Whether this process is the first of those that train together, which alone writes."""
    return int(getattr(rank_zero_only, "rank", 0)) == 0


def _write(out: Path, described: Mapping[str, bytes]) -> None:
    for name, content in described.items():
        write_bytes(out / name, content)


class _Description(Callback):
    """Writes what describes a run when its first step is about to be made."""

    def __init__(self, out: Path, described: Mapping[str, bytes]) -> None:
        self._out, self._described = out, described

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Write the files, on the first of several processes."""
        if trainer.is_global_zero:
            _write(self._out, self._described)


def fit(
    trainer: L.Trainer,
    module: L.LightningModule,
    batches: IterableDataset[Any],
    images: DataLoader | None,
    resume_from: Path | None,
    out: Path,
    described: Mapping[str, bytes],
) -> None:
    """Train, from a checkpoint where one is given.

    A run that cannot be continued stays as it was: its description is replaced when it does.

    Parameters
    ----------
    trainer : lightning.Trainer
    module : lightning.LightningModule
    batches : IterableDataset
        Gives whole batches.
    images : DataLoader or None
        Images for validation.
    resume_from : path or None
    out : path
        Folder of the run.
    described : mapping of str to bytes
        Files that describe the run, by name.

    Raises
    ------
    KaryoscopeError
        If the checkpoint is damaged or of another network.
    """
    trainer.callbacks.append(_Description(out, described))  # type: ignore[attr-defined]
    try:
        trainer.fit(
            module,
            DataLoader(batches, batch_size=None),
            images,
            ckpt_path=resume_from,
            weights_only=True,
        )
    except (RuntimeError, KeyError, ValueError) as error:
        if resume_from is None or trainer.global_step > 0 or "load" not in str(error):
            raise
        reason = str(error).strip().splitlines()[0]
        raise KaryoscopeError(
            f"{resume_from} does not fit this recipe; the run was not changed: {reason}"
        ) from error


def finished_steps(checkpoint: Path, counted_per_step: int = 1) -> int:
    """Return the number of steps after which a checkpoint was written.

    Parameters
    ----------
    checkpoint : path
    counted_per_step : int
        How many steps Lightning counts for one: one for each optimiser that steps.
    """
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    return int(state["global_step"]) // counted_per_step


def check_device(device: str) -> None:
    """Refuse ``cuda`` where torch sees no GPU.

    Raises
    ------
    KaryoscopeError
        If so.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise KaryoscopeError(
            "--device cuda needs a GPU of NVIDIA, or of AMD and torch for ROCm, that torch sees;"
            " use --device cpu"
        )


def trains_on_gpu(device: str) -> bool:
    """Whether a run on ``device``, one of ``auto``, ``cpu`` and ``cuda``, is on a GPU."""
    return device != "cpu" and torch.cuda.is_available()


def build_trainer(
    out: Path,
    device: str,
    steps: int,
    first_step: int,
    callbacks: Sequence[Callback],
    *,
    batch_size: int,
    counted_per_step: int = 1,
    devices: int = 1,
    precision: Literal["bf16", "fp32"] = "fp32",
    log_to: Log = "csv",
    log_every: int | None = None,
    **options: Any,
) -> L.Trainer:
    """Set up Lightning's trainer for a run whose batches have no end.

    Progress goes to stderr: as a bar where that is a terminal, and as a line now and then in the
    log. Checkpoints are left to the callbacks.

    Parameters
    ----------
    out : path
        Folder of the run.
    device : {"auto", "cpu", "cuda"}
        Device that trains the network; ``auto`` takes a GPU if there is one.
    steps : int
        Length of the run; -1 if a callback ends it.
    first_step : int
        Step at which it begins: 0, or that of the checkpoint that it is resumed from.
    callbacks : sequence of Callback
    batch_size : int
        Tiles that a step takes on each device.
    counted_per_step : int
        How many steps Lightning counts for one: one for each optimiser that steps.
    devices : int
        GPUs, or processes on a CPU, that share each step.
    precision : {"bf16", "fp32"}
    log_to : {"csv", "tensorboard", "wandb", "mlflow"}
    log_every : int, optional
        Steps between entries of the log; of 50 and a twentieth of the run the smaller unless given.
    **options
        Further arguments of :class:`lightning.Trainer`.

    Raises
    ------
    KaryoscopeError
        If what ``log_to`` names is not installed, or the device is not there.
    """
    check_device(device)
    # A bar reads the loss at every step, for which a GPU would have to be waited for.
    bar = sys.stderr.isatty() and not trains_on_gpu(device)
    shown: list[Callback] = [Pace(batch_size * devices, counted_per_step)]
    if bar:
        shown.append(StepBar(steps, counted_per_step))
    quiet()
    return L.Trainer(
        default_root_dir=out,
        accelerator="gpu" if device == "cuda" else device,
        devices=devices,
        # A frozen part, or an output that no loss reads, has no gradients to wait for.
        strategy=DDPStrategy(find_unused_parameters=True) if devices > 1 else "auto",
        max_steps=-1 if steps < 0 else steps * counted_per_step,
        precision="bf16-mixed" if precision == "bf16" else "32-true",
        callbacks=[*callbacks, *shown],
        # cuDNN's search for the fastest convolutions takes 20 s on an H100, and finds none there.
        benchmark=False,
        logger=build_loggers(out, first_step, log_to),
        log_every_n_steps=log_every or _log_every(steps),
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        # The data know which process they are for.
        use_distributed_sampler=False,
        **options,
    )


def _log_every(steps: int) -> int:
    """Steps between entries of the log: at least twenty of them in a run, however short."""
    return _LOG_EVERY if steps < 0 else max(1, min(_LOG_EVERY, steps // 20))
