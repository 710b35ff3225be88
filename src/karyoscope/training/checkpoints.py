"""When checkpoints are written: at intervals, at the end, and when validation is best."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import put_in_place


def last_checkpoint(run: Path, resume: bool) -> Path:
    """Path of a run's last checkpoint: it must exist to be resumed, and must not to begin anew.

    Raises
    ------
    KaryoscopeError
        If there is nothing to resume, or a run already.
    """
    last = run / "last.ckpt"
    if resume and not last.is_file():
        raise KaryoscopeError(f"nothing to resume: {last} does not exist")
    if last.is_file() and not resume:
        raise KaryoscopeError(f"{run} holds a run already: give --resume or another --out")
    return last


class Checkpoints(Callback):
    """Keep ``last.ckpt`` to go on from, and ``best.ckpt`` by a validation score.

    A checkpoint is written under another name and renamed, so that a kill leaves the one before.
    Place it after the averaging of weights.

    Parameters
    ----------
    folder : path
    every : int
        Steps between checkpoints.
    monitor : str
        Logged score; higher is better.
    """

    def __init__(self, folder: Path, every: int = 500, monitor: str = "val/mpq_plus") -> None:
        self._folder = folder
        self._every = every
        self._monitor = monitor
        self._best = float("-inf")

    def on_train_batch_end(self, trainer: L.Trainer, *_: object) -> None:
        """Write ``last.ckpt`` at intervals and at the last step."""
        step = trainer.global_step
        # Of a run that ends by the clock, no number of steps is known beforehand.
        last = trainer.should_stop or 0 <= trainer.max_steps <= step
        if step % self._every == 0 or last:
            self._save(trainer, "last.ckpt")

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Write ``best.ckpt`` where the score is the highest so far."""
        score = trainer.callback_metrics.get(self._monitor)
        if score is not None and float(score) > self._best:
            self._best = float(score)
            self._save(trainer, "best.ckpt")

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs to know."""
        return {"best": self._best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up from a checkpoint."""
        self._best = state["best"]

    def _save(self, trainer: L.Trainer, name: str) -> None:
        partial = self._folder / f"{name}.partial"
        trainer.save_checkpoint(partial)
        if trainer.is_global_zero:
            put_in_place(partial, self._folder / name)
