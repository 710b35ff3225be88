"""Runs that end by the clock: a recipe's schedule stretched or shortened to given seconds."""

from __future__ import annotations

import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback


class TimeLimit(Callback):
    """End training after some seconds, with the schedule run to its end.

    The recipe's steps become a scale: after a third of the time, rates and phases are those of a
    third of the steps. How many steps are taken follows from the machine. Place it before the
    callback that writes checkpoints, so that the last step is saved.

    Parameters
    ----------
    seconds : float
        Time of training, without validation after it; with ``--resume``, of all starts together.
    steps : int
        Steps of the recipe.
    """

    def __init__(self, seconds: float, steps: int) -> None:
        self.seconds = seconds
        self.steps = steps
        self._before = 0.0
        self._start: float | None = None

    @property
    def elapsed(self) -> float:
        """Seconds of training so far."""
        now = 0.0 if self._start is None else time.monotonic() - self._start
        return self._before + now

    @property
    def step(self) -> int:
        """Step of the recipe's schedule that the time stands for."""
        return min(self.steps, int(self.steps * self.elapsed / self.seconds))

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self._start = time.monotonic()

    def on_train_batch_end(self, trainer: L.Trainer, *_: object) -> None:
        """Stop where the time is over."""
        if self.elapsed >= self.seconds:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """State that a resumed run needs."""
        return {"elapsed": self.elapsed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state from a checkpoint."""
        self._before = state["elapsed"]
