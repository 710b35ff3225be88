"""What a recipe may say: its keys, their types, and what cannot go together."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from karyoscope.core.taxonomy import sets_of
from karyoscope.training.colour import Colour
from karyoscope.training.geometry import Geometry
from karyoscope.training.phases import Phase, rate_in_phases
from karyoscope.training.schedule import Flat, Schedule, decay_to_zero, warm_up

#: Last steps over which a flat rate falls to zero, where the recipe does not say.
DECAY = 2000


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSource(_Strict):
    """One dataset on disk and how much it counts."""

    path: Path
    dataset: str | None = None
    """Layout; recognised where not given."""
    taxonomy: str | None = None
    """What its class ids mean, where they are not the published classes."""
    mpp: float | None = None
    """µm per pixel, where it is not the published one."""
    weight: float = Field(1.0, gt=0)
    """How often its tiles are drawn, relative to the others."""
    may_be: dict[str, list[str] | Literal["any"]] = {}
    """What its classes may be among the model's, by name, where the shipped class sets do not say:
    a list, one name, or any; a class that is not named is unknown."""
    split: Path | None = None
    """Split file of this dataset; a bare name is looked for as the validation's."""
    part: str = "train"
    """Part of ``split`` that is trained on; the others are not."""
    exclude: list[str] = []
    """Names of images that are not trained on."""
    ignore: list[str] = []
    """Classes, by name, whose nuclei are neither nuclei nor background in training, such as those
    whose whole cells are outlined."""
    options: dict[str, Any] = {}
    """Further arguments of the layout's reader."""

    @field_validator("may_be", mode="before")
    @classmethod
    def _one_name(cls, may_be: Any) -> Any:
        return sets_of(may_be) if isinstance(may_be, dict) else may_be


class Validation(_Strict):
    """Which images of the first dataset are kept for validation.

    The sources of these images are kept out of training in every dataset of the recipe, so that
    no slide is on both sides. Where the split has a part ``train``, that part alone is trained on;
    otherwise all but this part and parts called ``test...``.
    """

    split: Path
    """Split file, as ``karyoscope data split`` writes it; a bare name is looked for beside the
    recipe."""
    part: str = "validation"
    every: int = Field(2500, gt=0)
    """Steps between validations."""
    pictures: int = Field(4, ge=0)
    """Tiles that are drawn at each validation."""


class Named(BaseModel):
    """A part chosen by name from a registry; further keys are its options."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @property
    def options(self) -> dict[str, Any]:
        """Every key but the name."""
        return dict(self.model_extra or {})

    @property
    def untrained(self) -> dict[str, Any]:
        """The options, without weights from elsewhere."""
        given = self.options
        return given | {"pretrained": False} if "pretrained" in given else given


class WeightedLoss(Named):
    """A loss and its weight in the sum."""

    weight: float = 1.0


class Sharpness(_Strict):
    """Sharpness-Aware Minimization around the optimiser; see :class:`~.sam.SAM`."""

    rho: float = Field(0.05, gt=0)
    """Radius of the neighbourhood whose worst point is minimised."""


class Teacher(_Strict):
    """A trained model whose probabilities are labels beside those of the annotators."""

    recipe: str
    """Its recipe: a name or a file."""
    weights: Path
    """Its checkpoint, ``.safetensors`` file or bundle folder."""


class Optimiser(_Strict):
    """Which optimiser, at which rate."""

    name: Literal["adamw", "adam", "sgd", "rmsprop"] = "adamw"
    lr: float = Field(8e-4, gt=0)
    encoder_lr: float = Field(1.0, gt=0)
    """Rate of the encoder, as a multiple of ``lr``."""
    weight_decay: float = Field(1e-4, ge=0)
    """Decoupled in adamw; a term of the gradient in the others."""
    momentum: float | None = Field(None, ge=0, lt=1)
    """Of sgd and rmsprop; 0 where not given."""
    betas: tuple[float, float] | None = None
    """Of adamw and adam; (0.9, 0.999) where not given."""
    warmup: int = Field(200, ge=0)
    """First steps, over which the rate rises."""
    decay: int | None = Field(None, ge=0)
    """Last steps, over which the rate falls to zero; where not given, 2000 under a flat schedule
    and none under others or phases."""
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
        """Arguments of the named optimiser beyond rate and weight decay."""
        given = {"momentum": self.momentum, "betas": self.betas}
        return {key: value for key, value in given.items() if value is not None}


class Training(_Strict):
    """Length and form of the run."""

    steps: int = Field(gt=0)
    batch_size: int = Field(4, gt=0)
    """Tiles a step on each device."""
    tile: int = Field(256, gt=0)
    """Edge of a tile, px."""
    multiple_of: int = Field(32, gt=0)
    """Edges that the network takes are multiples of this."""
    balanced: float = Field(1.0, ge=0, le=1)
    """Share of tiles drawn by importance (bern, eq. 1-2)."""
    ema: float = Field(0.998, ge=0, lt=1)
    """Decay of the averaged weights; 0 for none."""
    precision: Literal["bf16", "fp32"] = "bf16"
    seed: int = 0
    devices: int = Field(1, gt=0)
    """GPUs, or processes on a CPU, that share each step; each draws tiles of its own."""


class Recipe(_Strict):
    """A training run from data to bundle."""

    name: str
    version: str = "1"
    description: str = ""
    licence: str
    taxonomy: str
    """Classes of the model: a name or a file."""
    mpp: float = Field(gt=0, le=2)
    """µm per pixel."""
    context: int = Field(64, ge=0)
    """Pixels around a window that the trained model sees and does not answer for."""
    stain: str | None = None
    """Normaliser without target that all images go through once, such as ``clahe``."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Of the input's channels, values from 0 to 1."""
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    data: list[DataSource] = Field(min_length=1)
    validation: Validation
    network: Named
    start: Path | None = None
    """Weights to begin with, loaded where they fit: a bundle's folder, a checkpoint or a
    ``.safetensors`` file."""
    teacher: Teacher | None = None
    """Read by the losses whose names begin with ``soft_``; its probabilities are the mean of
    eight views."""
    losses: list[WeightedLoss] = Field(min_length=1)
    geometry: Geometry = Geometry()
    colour: Colour = Colour()
    optimiser: Optimiser = Optimiser.model_validate({})
    phases: list[Phase] = []
    """Parts of the run, one after the other; they set the rate in place of a schedule."""
    training: Training
    postprocessing: Named

    def rate_at(self, step: int) -> float:
        """Learning rate at a step, as a multiple of ``optimiser.lr``."""
        optimiser, steps = self.optimiser, self.training.steps
        if self.phases:
            rate, decay = rate_in_phases(step, self.phases), 0
        elif isinstance(optimiser.schedule, Flat):
            rate, decay = 1.0, DECAY
        else:
            rate, decay = optimiser.schedule.at(step, steps), 0
        fall = decay_to_zero(step, steps, decay if optimiser.decay is None else optimiser.decay)
        return min(warm_up(step, optimiser.warmup), fall) * rate
