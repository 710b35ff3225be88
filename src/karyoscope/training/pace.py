"""A line about a run now and then, where no terminal shows a bar."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

_log = logging.getLogger(__name__)


class Pace(Callback):
    """Log the step, the tiles a second and the loss at intervals.

    Parameters
    ----------
    tiles : int
        Tiles that one step takes, on all devices together.
    counted_per_step : int
        How many steps Lightning counts for one: one for each optimiser that steps.
    every : float
        Seconds between two lines.
    """

    def __init__(self, tiles: int, counted_per_step: int = 1, every: float = 20.0) -> None:
        self._tiles = tiles
        self._counted = counted_per_step
        self._every = every
        self._at = 0.0
        self._step = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start counting."""
        self._at, self._step = time.monotonic(), self._done(trainer)

    def on_train_batch_end(self, trainer: L.Trainer, *_: object) -> None:
        """Write a line where the interval is over."""
        now = time.monotonic()
        if now - self._at < self._every and not trainer.should_stop:
            return
        # Only now is the GPU waited for.
        values: Mapping[str, Any] = trainer.callback_metrics
        losses = ", ".join(
            f"{name.removeprefix('train/')} {float(value):.4f}"
            for name, value in values.items()
            if name.startswith("train/")
        )
        step = self._done(trainer)
        pace = (step - self._step) * self._tiles / (time.monotonic() - self._at)
        _log.info("step %d, %.0f tiles/s: %s", step, pace, losses)
        self._at, self._step = time.monotonic(), step

    def _done(self, trainer: L.Trainer) -> int:
        return trainer.global_step // self._counted
