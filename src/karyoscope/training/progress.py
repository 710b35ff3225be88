"""Progress bar of the steps of a run on stderr, and filters for the log messages of Lightning."""

from __future__ import annotations

import logging
import warnings

import lightning as L
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from karyoscope.training.optim.clock import TimeLimit


class StepBar(Callback):
    """Steps done of all, the time left and the loss.

    If a run ends by the clock, the bar shows seconds, since its steps are not known.

    Parameters
    ----------
    steps : int
        Length of the run; -1 if the clock ends it.
    counted_per_step : int
        How many steps Lightning counts for one.
    """

    def __init__(self, steps: int, counted_per_step: int = 1) -> None:
        self._steps = steps
        self._counted = counted_per_step
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("loss {task.fields[loss]}"),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task("steps", total=None, loss="-")

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Begin where the run begins, which is not at 0 where it is resumed."""
        clock = _clock_of(trainer)
        total = self._steps if clock is None else round(clock.seconds)
        self._progress.update(
            self._task,
            description="steps" if clock is None else "seconds",
            total=total,
            completed=self._done(trainer),
        )
        self._progress.start()

    def on_train_batch_end(self, trainer: L.Trainer, *_: object) -> None:
        """Count a step."""
        loss = trainer.callback_metrics.get("train/loss")
        said = "-" if loss is None else f"{float(loss):.4f}"
        self._progress.update(self._task, completed=self._done(trainer), loss=said)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the bar on the terminal."""
        self._progress.stop()

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Give the terminal back."""
        self._progress.stop()

    def _done(self, trainer: L.Trainer) -> int:
        clock = _clock_of(trainer)
        return trainer.global_step // self._counted if clock is None else round(clock.elapsed)


def _clock_of(trainer: L.Trainer) -> TimeLimit | None:
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    return next((c for c in callbacks if isinstance(c, TimeLimit)), None)


def quiet() -> None:
    """Keep Lightning's advertisements and remarks about itself out of the log; warnings stay."""
    warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated")
    # A run that was stopped before its first checkpoint begins again, and so does its log.
    warnings.filterwarnings("ignore", message="Experiment logs directory .* not empty")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
