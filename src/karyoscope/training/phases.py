"""Training in phases: first the decoders, then all (hovernet, section V.B)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from karyoscope.training.clock import TimeLimit


class Phase(BaseModel):
    """A part of a run.

    HoVer-Net has two: ``{steps: ..., frozen: [encoder]}`` and ``{steps: ...}``, each with a rate
    of 1e-4 that is reduced to 1e-5 halfway.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(gt=0)
    frozen: tuple[str, ...] = ()
    """Parts of the network, by name, that are not trained."""
    drop_at: float = Field(0.5, gt=0, le=1)
    """Share of the phase after which the rate drops."""
    drop_to: float = Field(0.1, gt=0, le=1)
    """The rate from then on, as a multiple of the first."""


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


def freeze(network: nn.Module, frozen: Sequence[str]) -> None:
    """Stop the training of the named parts and resume that of all others, in place.

    Neither the weights of a frozen part change nor the statistics of its normalisation.
    """
    network.requires_grad_(True).train(network.training)
    for name in frozen:
        network.get_submodule(name).requires_grad_(False).eval()


class Phases(Callback):
    """Hold to the phases while Lightning trains a module whose ``network`` this concerns.

    The phase follows from the step alone, so that a resumed run goes on in the right one.

    Parameters
    ----------
    phases : sequence of Phase
    clock : TimeLimit, optional
        Of a run that ends by the clock.
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
        freeze(pl_module.get_submodule("network"), phase.frozen)
