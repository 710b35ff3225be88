"""When checkpoints are written: at intervals, at the end, and when validation is best."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from karyoscope.core.files import put_in_place, remove


class Checkpoints(Callback):
    """Writes ``last.ckpt``, from which a run resumes, and ``best.ckpt`` by a validation score.

    A checkpoint is written under another name and renamed, so that a kill leaves the one before.
    Place it after the averaging of weights, and after what ends a run early.

    Parameters
    ----------
    folder : path
    every : int
        Steps between checkpoints.
    monitor : sequence of str
        Logged scores, of which the first that there is counts; higher is better.
    """

    def __init__(
        self,
        folder: Path,
        every: int = 500,
        monitor: Sequence[str] = ("val/mpq_plus", "val/f_c"),
    ) -> None:
        self._folder = folder
        self._every = every
        self._monitor = monitor
        self._best = float("-inf")
        self._saved = 0

    def on_train_batch_end(self, trainer: L.Trainer, *_: object) -> None:
        """Write ``last.ckpt`` at intervals and at the last step."""
        step = trainer.global_step
        # Of a run that ends by the clock, no number of steps is known beforehand.
        last = trainer.should_stop or 0 <= trainer.max_steps <= step
        # A step may take several batches.
        if (step % self._every == 0 and step != self._saved) or last:
            self._saved = step
            self._save(trainer, "last.ckpt")

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Write ``best.ckpt`` where the score is the highest so far."""
        logged = trainer.callback_metrics
        score = next((logged[name] for name in self._monitor if name in logged), None)
        if score is not None and float(score) > self._best:
            self._best = float(score)
            self._save(trainer, "best.ckpt")
        if trainer.should_stop and trainer.state.fn == "fit" and self._saved != trainer.global_step:
            # The run ends early: its last step has passed already.
            self._saved = trainer.global_step
            self._save(trainer, "last.ckpt")

    def state_dict(self) -> dict[str, Any]:
        """State that a resumed run needs."""
        return {"best": self._best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state from a checkpoint."""
        self._best = state["best"]

    def _save(self, trainer: L.Trainer, name: str) -> None:
        partial = self._folder / f"{name}.partial"
        try:
            trainer.save_checkpoint(partial)
            if trainer.is_global_zero:
                put_in_place(partial, self._folder / name)
        except BaseException:
            # Where the disk is full, half a checkpoint would keep it so.
            with suppress(OSError):
                remove(partial)
            raise
