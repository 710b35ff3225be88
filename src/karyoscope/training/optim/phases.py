"""Training in phases: first the decoders, then all (hovernet, section V.B)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import lightning as L
from lightning.pytorch.callbacks import Callback
from pydantic import BaseModel, ConfigDict, Field
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from karyoscope.training.optim.clock import TimeLimit


class Phase(BaseModel):
    """A part of a run.

    HoVer-Net has two: ``{steps: ..., frozen: [encoder]}`` and ``{steps: ...}``, each with a rate
    of 1e-4 that is reduced to 1e-5 halfway.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(gt=0)
    frozen: tuple[str, ...] = ()
    """Parts of the network, by name, that are not trained."""
    frozen_statistics: Literal["stored", "batch"] = "stored"
    """What normalises the features of frozen parts: the statistics that came with their weights,
    or those of each batch, which the stored ones then follow, as in the program of HoVer-Net's
    authors."""
    batch_size: int | None = Field(None, gt=0)
    """Tiles a step in this phase; ``training.batch_size`` where not given."""
    drop_at: float = Field(0.5, gt=0, le=1)
    """Share of the phase after which the learning rate drops."""
    drop_to: float = Field(0.1, gt=0, le=1)
    """The learning rate from then on, as a multiple of the first."""


def phase_at(step: int, phases: Sequence[Phase]) -> tuple[Phase, int]:
    """The phase of a step, and the step counted from the start of that phase.

    Steps after the last phase belong to it.
    """
    for phase in phases[:-1]:
        if step < phase.steps:
            return phase, step
        step -= phase.steps
    return phases[-1], step


def rate_in_phases(step: int, phases: Sequence[Phase]) -> float:
    """Learning rate at a step, as a multiple of the first: each phase starts again from 1."""
    phase, step = phase_at(step, phases)
    return 1.0 if step < phase.drop_at * phase.steps else phase.drop_to


def batch_size_at(step: int, phases: Sequence[Phase], otherwise: int) -> int:
    """Tiles that a step takes: those of its phase, or ``otherwise``."""
    if not phases:
        return otherwise
    return phase_at(step, phases)[0].batch_size or otherwise


def tiles_in_phases(steps: int, phases: Sequence[Phase], otherwise: int) -> int:
    """Tiles that a run of so many steps draws, with one batch a step.

    Examples
    --------
    >>> tiles_in_phases(10, [Phase(steps=4), Phase(steps=2, batch_size=1)], 8)
    38
    """
    drawn = 0
    for phase in phases[:-1]:
        taken = min(steps, phase.steps)
        drawn += taken * (phase.batch_size or otherwise)
        steps -= taken
    return drawn + steps * batch_size_at(steps, phases[-1:], otherwise)


def freeze(
    network: nn.Module,
    frozen: Sequence[str],
    statistics: Literal["stored", "batch"] = "stored",
) -> None:
    """Stop the training of the named parts and resume that of all others, in place.

    The weights of a frozen part do not change. Its batch normalisation goes by the stored
    statistics, which do not change either, or by those of each batch.
    """
    network.requires_grad_(True).train(network.training)
    for name in frozen:
        part = network.get_submodule(name).requires_grad_(False).eval()
        if statistics == "batch" and network.training:
            for child in part.modules():
                if isinstance(child, _BatchNorm):
                    child.train()


class Phases(Callback):
    """Hold to the phases while Lightning trains a module whose ``network`` this concerns.

    The phase follows from the step alone, so that a resumed run continues in the right one.

    Parameters
    ----------
    phases : sequence of Phase
        Phases of the training, in their order.
    clock : TimeLimit, optional
        Given for a run that ends by the clock; the phases then follow its time.
    """

    def __init__(self, phases: Sequence[Phase], clock: TimeLimit | None = None) -> None:
        self.phases = list(phases)
        self.clock = clock

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Freeze and thaw; at every step, since validation sets the whole network to training."""
        step = trainer.global_step if self.clock is None else self.clock.step
        phase, _ = phase_at(step, self.phases)
        freeze(pl_module.get_submodule("network"), phase.frozen, phase.frozen_statistics)
