"""What a recipe may say: its keys, their types, and what cannot go together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from karyoscope.core.plugins import label
from karyoscope.core.taxonomy import sets_of
from karyoscope.training.augmentation.colour import Colour
from karyoscope.training.augmentation.geometry import Geometry
from karyoscope.training.augmentation.pasting import Pasting
from karyoscope.training.optim.phases import Phase, rate_in_phases
from karyoscope.training.optim.schedule import Flat, decay_to_zero, warm_up
from karyoscope.training.optim.settings import Optimiser

#: Last steps over which a constant learning rate falls to zero, where the recipe does not say.
DECAY = 2000


#: Folds are called 1, 2, ..., which YAML reads as numbers.
PartName = Annotated[str, Field(coerce_numbers_to_str=True)]


def _as_list(value: object) -> object:
    """One entry, which may be written without a list; none where null."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PointLabels(_Strict):
    """What a point says of the pixels around it, for images without outlines."""

    nucleus: float = Field(1.5, ge=0)
    """Radius around a point of what is nucleus, in µm."""
    background: float | None = Field(10.0, gt=0)
    """Distance from every point beyond which all is background, in µm; null where not every nucleus
    has a point, as in sets of mitoses."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.background is not None and self.background <= self.nucleus:
            raise ValueError("background must be farther from a point than nucleus reaches")
        return self


class DataSource(_Strict):
    """One dataset on disk and how much it counts."""

    path: Path
    dataset: str | None = None
    """Layout; recognised where not given."""
    taxonomy: str | dict[str, Any] | None = None
    """What its class ids mean, where they are not the published classes: a name, a file, or the
    classes written out."""
    mpp: float | None = None
    """µm per pixel, where it is not the published one."""
    weight: float = Field(1.0, gt=0)
    """How often its tiles are drawn, relative to the others."""
    may_be: dict[str, list[str] | Literal["any"]] = {}
    """What its classes may be among the model's, by name, where the shipped class sets do not say:
    a list, one name, or any; a class that is not named is unknown."""
    split: Path | None = None
    """Split file of this dataset; a bare name is looked for as the validation's."""
    part: PartName = "train"
    """Part of ``split`` that is trained on; the others are not."""
    exclude: list[str] = []
    """Names of images that are not trained on."""
    ignore: list[str] = []
    """Classes, by name, whose nuclei are neither nuclei nor background in training, such as those
    whose whole cells are outlined."""
    points: PointLabels = PointLabels.model_validate({})
    """What points say, of images that have points and no outlines; read by the losses whose names
    begin with ``point_``."""
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
    part: PartName = "validation"
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
    def label(self) -> str:
        """The name in logs: without the file, where it is of a plugin."""
        return label(self.name)

    @property
    def untrained(self) -> dict[str, Any]:
        """The options, without weights from elsewhere."""
        given = self.options
        return given | {"pretrained": False} if "pretrained" in given else given


class WeightedLoss(Named):
    """A loss and its weight in the sum."""

    weight: float = 1.0


class Teacher(_Strict):
    """A trained model whose probabilities are labels beside those of the annotators."""

    recipe: str
    """Its recipe: a name or a file."""
    weights: Path
    """Its checkpoint, ``.safetensors`` file or bundle folder."""
    views: Literal[1, 4, 8] = 8
    """Views whose mean probability is used: rotations by multiples of 90°, and with 8 their
    mirror images."""


class Training(_Strict):
    """Length and form of the run."""

    steps: int = Field(gt=0)
    batch_size: int = Field(4, gt=0)
    """Tiles on each device that one gradient is computed from."""
    accumulate: int = Field(1, gt=0)
    """Gradients that are averaged for one step, so that a step takes so many batches."""
    checkpoint_every: int = Field(500, gt=0)
    """Steps between checkpoints."""
    tile: int = Field(256, gt=0)
    """Edge of a tile, px."""
    multiple_of: int = Field(32, gt=0)
    """Edges that the network takes are multiples of this."""
    balanced: float = Field(1.0, ge=0, le=1)
    """Share of tiles drawn by importance (bern, eq. 1-2)."""
    paste: Pasting = Pasting.model_validate({})
    """Nuclei of rare classes that are pasted into tiles."""
    patience: int | None = Field(None, gt=0)
    """Validations in a row without a higher mPQ+ after which the run ends; None for none."""
    log_every: int | None = Field(None, gt=0)
    """Steps between entries of the log; 50 unless given, fewer in runs shorter than 1,000."""
    ema: float = Field(0.998, ge=0, lt=1)
    """Decay of the averaged weights; 0 for none."""
    statistics: Literal["batch", "stored"] = "batch"
    """What normalises features in batch normalisation: the statistics of each batch, or those that
    came with the weights, which then stay as they are."""
    keep_parent: float | Literal["choose"] = 0.0
    """Share of the weights of ``start`` in those that a run ends with, from 0 to 1; ``choose`` for
    the one of 0, 0.25, 0.5, 0.75 and 1 with the highest score on the validation images."""
    precision: Literal["bf16", "fp32"] = "bf16"
    seed: int = 0
    devices: int = Field(1, gt=0)
    """GPUs, or processes on a CPU, that share each step; each draws tiles of its own."""

    @field_validator("keep_parent", mode="plain")
    @classmethod
    def _share(cls, value: Any) -> float | str:
        if value == "choose":
            return "choose"
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ValueError("a number from 0 to 1, or choose")
        return float(value)


class Recipe(_Strict):
    """A training run from data to bundle."""

    name: str
    version: str = "1"
    description: str = ""
    licence: str
    classes_learned_on: str = ""
    """The tissue of the data with classes, such as ``colon``, for the card."""
    outlines_learned_on: str = ""
    """The tissues of all data, where they are more, for the card."""
    taxonomy: str | dict[str, Any]
    """Classes of the model: a name, a file, or the classes written out."""
    mpp: float = Field(gt=0, le=2)
    """µm per pixel."""
    context: int = Field(64, ge=0)
    """Pixels around a window that the trained model sees and does not answer for."""
    stain: str | None = None
    """Normaliser without target that all images go through once, such as ``clahe``."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Mean of each input channel, whose values are from 0 to 1; the network gets
    ``(image - mean) / std``."""
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    data: list[DataSource] = Field(min_length=1)
    validation: Validation
    network: Named
    start: str | None = None
    """The model to begin with, whose weights are loaded where they fit: a shipped model by name,
    a bundle, the folder of a run, a checkpoint or a ``.safetensors`` file."""
    teacher: Annotated[list[Teacher], BeforeValidator(_as_list)] = []
    """One or several, for the losses whose names begin with ``soft_``; the mean of their
    probabilities is used."""
    soft_labels: Path | None = None
    """File that keeps the probabilities of the teacher, so that a run that is resumed, and other
    runs on the same pixels, do not compute them again."""
    losses: list[WeightedLoss] = Field(min_length=1)
    geometry: Geometry = Geometry()
    colour: Colour = Colour()
    optimiser: Optimiser = Optimiser.model_validate({})
    phases: list[Phase] = []
    """Parts of the run, one after the other; they set the learning rate in place of a schedule."""
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
