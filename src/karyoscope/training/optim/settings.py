"""Settings of the optimiser, as a recipe gives them."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from karyoscope.training.optim.schedule import Flat, Schedule


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Sharpness(_Strict):
    """Sharpness-Aware Minimization around the optimiser.

    See :class:`~karyoscope.training.optim.sam.SAM`.
    """

    rho: float = Field(0.05, gt=0)
    """Radius of the neighbourhood whose worst point is minimised."""


class Optimiser(_Strict):
    """The optimiser, its learning rate, and how that changes over the run."""

    name: Literal["adamw", "adam", "sgd", "rmsprop"] = "adamw"
    lr: float = Field(8e-4, gt=0)
    encoder_lr: float = Field(1.0, gt=0)
    """Learning rate of the encoder, as a multiple of ``lr``."""
    weight_decay: float = Field(1e-4, ge=0)
    """Decoupled in adamw; a term of the gradient in the others."""
    momentum: float | None = Field(None, ge=0, lt=1)
    """Momentum of sgd and rmsprop; 0 where it is not given."""
    betas: tuple[float, float] | None = None
    """Decays of both moments in adamw and adam; (0.9, 0.999) where they are not given."""
    warmup: int = Field(200, ge=0)
    """First steps, over which the learning rate rises."""
    decay: int | None = Field(None, ge=0)
    """Last steps, over which the learning rate falls to zero; where not given, 2000 under a flat
    schedule and none under others or phases."""
    schedule: Schedule = Flat()
    clip: float | None = Field(2.0, gt=0)
    """Largest norm of the gradient; null for no limit."""
    sam: Sharpness | None = None
    """Sharpness-Aware Minimization; null for none."""

    @field_validator("schedule", mode="before")
    @classmethod
    def _name_alone(cls, schedule: Any) -> Any:
        return {"name": schedule} if isinstance(schedule, str) else schedule

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.momentum is not None and self.name not in ("sgd", "rmsprop"):
            raise ValueError(f"{self.name} has no momentum: it is of sgd and rmsprop")
        if self.betas is not None and self.name not in ("adamw", "adam"):
            raise ValueError(f"{self.name} has no betas: they are of adamw and adam")
        return self

    def own_options(self) -> dict[str, Any]:
        """Arguments of the named optimiser beyond learning rate and weight decay."""
        given = {"momentum": self.momentum, "betas": self.betas}
        return {key: value for key, value in given.items() if value is not None}
