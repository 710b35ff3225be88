"""The learning rate over a run: flat, cosine or in steps, after a warm-up."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Schedule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Flat(_Schedule):
    """Constant learning rate, except during warm-up and decay.

    A run with a constant learning rate can be continued: raise ``training.steps`` and resume.
    """

    name: Literal["flat"] = "flat"


class Cosine(_Schedule):
    """Half a cosine from the first learning rate to the last.

    This is SGDR without restarts (bern, section II.E).
    """

    name: Literal["cosine"]
    to: float = Field(0.0, ge=0, lt=1)
    """The last learning rate, as a multiple of the first."""

    def at(self, step: int, steps: int) -> float:
        r"""Learning rate as a multiple of the first.

        .. math:: r(t) = r_1 + (1 - r_1) \frac{1 + \cos(\pi t / T)}{2}
        """
        share = min(1.0, step / steps)
        return self.to + (1 - self.to) * (1 + math.cos(math.pi * share)) / 2


class Steps(_Schedule):
    """Multiplied by a factor every few epochs, as torch's StepLR does (mbzuai, section III)."""

    name: Literal["step"]
    every: int = Field(25, gt=0)
    """Number of epochs between two drops."""
    epoch: int = Field(gt=0)
    """Steps that count as an epoch: batches are drawn without end, so the recipe says."""
    factor: float = Field(0.1, gt=0, lt=1)
    """Factor of the learning rate at each drop."""

    def at(self, step: int, steps: int) -> float:
        """Learning rate as a multiple of the first."""
        return self.factor ** (step // (self.every * self.epoch))


Schedule = Annotated[Flat | Cosine | Steps, Field(discriminator="name")]


def warm_up(step: int, steps: int) -> float:
    """Share of the learning rate while it rises over the first steps; 1 after them."""
    return min(1.0, (step + 1) / max(1, steps))


def decay_to_zero(step: int, steps: int, over: int) -> float:
    """Share of the learning rate while it falls over the last steps; 1 before them."""
    return min(1.0, max(0, steps - step) / over) if over else 1.0
