"""A recipe: everything that decides a training run, as one readable YAML file."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from karyoscope.errors import KaryoscopeError
from karyoscope.training.colour import Colour
from karyoscope.training.geometry import Geometry

_SHIPPED = resources.files("karyoscope") / "recipes"


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
    options: dict[str, Any] = {}
    """Further arguments of the layout's reader."""


class Validation(_Strict):
    """Which images of the first dataset are kept for validation.

    The sources of these images are kept out of training in every dataset of the recipe, so that
    no slide is on both sides.
    """

    split: Path
    """Split file, as ``karyoscope data split`` writes it; a bare name is looked for beside the
    recipe."""
    part: str = "validation"
    every: int = Field(2500, gt=0)
    """Steps between validations."""


class Named(BaseModel):
    """A part chosen by name from a registry; further keys are its options."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @property
    def options(self) -> dict[str, Any]:
        """Every key but the name."""
        return dict(self.model_extra or {})


class WeightedLoss(Named):
    """A loss and its weight in the sum."""

    weight: float = 1.0


class Optimiser(_Strict):
    """AdamW with warm-up, a flat rate, and a linear decay over the last steps.

    A flat rate can be continued: raise ``steps`` and resume.
    """

    lr: float = Field(8e-4, gt=0)
    encoder_lr: float = Field(1.0, gt=0)
    """Rate of the encoder, as a multiple of ``lr``."""
    weight_decay: float = Field(1e-4, ge=0)
    warmup: int = Field(200, ge=0)
    decay: int = Field(2000, ge=0)
    """Last steps, over which the rate falls to zero."""
    clip: float = Field(2.0, gt=0)
    """Largest norm of the gradient."""


class Training(_Strict):
    """Length and form of the run."""

    steps: int = Field(gt=0)
    batch_size: int = Field(4, gt=0)
    tile: int = Field(256, gt=0)
    multiple_of: int = Field(32, gt=0)
    """Edges that the network takes are multiples of this."""
    balanced: float = Field(1.0, ge=0, le=1)
    """Share of tiles drawn by importance (bern, eq. 1-2)."""
    ema: float = Field(0.998, ge=0, lt=1)
    """Decay of the averaged weights; 0 for none."""
    precision: Literal["bf16", "fp32"] = "bf16"
    seed: int = 0


class Recipe(_Strict):
    """A training run from data to bundle."""

    name: str
    version: str = "1"
    description: str = ""
    licence: str
    taxonomy: str
    mpp: float = Field(gt=0, le=2)
    context: int = Field(64, ge=0)
    """Pixels around a window that the trained model sees and does not answer for."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    data: list[DataSource] = Field(min_length=1)
    validation: Validation
    network: Named
    losses: list[WeightedLoss] = Field(min_length=1)
    geometry: Geometry = Geometry()
    colour: Colour = Colour()
    optimiser: Optimiser = Optimiser.model_validate({})
    training: Training
    postprocessing: Named


def load_recipe(path: str | Path, changes: list[str] | None = None) -> Recipe:
    """Read a recipe and apply ``key.path=value`` changes.

    Parameters
    ----------
    path : path
        A YAML file, or the name of a recipe that comes with the package. Relative paths inside
        are relative to the working directory.
    changes : list of str, optional
        Such as ``"training.steps=1000"``.

    Raises
    ------
    KaryoscopeError
        If the file is missing, is not YAML, or holds an unknown key or a bad value; each is named.
    """
    shipped = Path(str(_SHIPPED)) / f"{path}.yaml"
    path = shipped if shipped.is_file() else Path(path)
    if not path.is_file():
        raise KaryoscopeError(f"recipe {path} does not exist")
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise KaryoscopeError(
            f"{path} is not valid YAML: {' '.join(str(error).split())}"
        ) from error
    for change in changes or []:
        _apply(data, change)
    split = (data.get("validation") or {}).get("split")
    if split and not Path(split).exists() and (path.parent / split).is_file():
        data["validation"]["split"] = str(path.parent / split)
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise KaryoscopeError(f"{path}: {place}: {first['msg']}") from error


def _apply(data: dict[str, Any], change: str) -> None:
    key, equals, value = change.partition("=")
    if not equals:
        raise KaryoscopeError(f"--set {change!r} should read key=value")
    *parents, last = key.split(".")
    node: Any = data
    for part in parents:
        node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
    node[int(last) if isinstance(node, list) else last] = yaml.safe_load(value)
