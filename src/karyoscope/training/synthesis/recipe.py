"""Recipe of a mask-to-image network: data, size and training."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.yaml import read_yaml
from karyoscope.training.recipe.reading import apply_change
from karyoscope.training.recipe.schema import DataSource

_SHIPPED = Path(str(resources.files("karyoscope"))) / "recipes" / "synthesis"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KeptOut(_Strict):
    """Images that the generator must not see, nor take masks from."""

    split: Path
    """Split file of the first dataset, as ``karyoscope data split`` writes it."""
    part: str = "validation"


class GeneratorSettings(_Strict):
    """Options of :class:`~karyoscope.networks.mask2image.Mask2Image`."""

    width: int = Field(32, gt=0)
    halvings: int = Field(3, gt=0)
    blocks: int = Field(4, ge=0)


class DiscriminatorSettings(_Strict):
    """Options of :class:`~karyoscope.networks.mask2image.Discriminator`."""

    width: int = Field(32, gt=0)
    halvings: int = Field(3, gt=0)
    scales: int = Field(2, gt=0)


class Perceptual(_Strict):
    """Difference of real and generated tiles as an ImageNet network sees them."""

    weight: float = Field(10.0, gt=0)
    encoder: str = "vgg16"
    pretrained: bool | Path = True
    """``true``, or a ``.safetensors`` file with timm's parameter names."""


class SynthesisLosses(_Strict):
    """Weights of the generator's terms."""

    game: Literal["least_squares", "hinge", "cross_entropy"] = "least_squares"
    adversarial: float = Field(1.0, ge=0)
    feature_matching: float = Field(10.0, ge=0)
    """Difference of real and generated tiles as the discriminator sees them."""
    pixels: float = Field(10.0, ge=0)
    """Mean absolute difference of the pixels."""
    perceptual: Perceptual | None = None


class SynthesisOptimiser(_Strict):
    """Adam with first moment 0.5 on both sides, and a linear decay over the last steps."""

    lr: float = Field(2e-4, gt=0)
    discriminator_lr: float = Field(2e-4, gt=0)
    decay: int = Field(0, ge=0)


class SynthesisTraining(_Strict):
    """Length and form of the run."""

    steps: int = Field(20000, gt=0)
    batch_size: int = Field(8, gt=0)
    tile: int = Field(256, gt=0)
    balanced: float = Field(0.5, ge=0, le=1)
    """Share of tiles drawn by importance (bern, eq. 1-2); the rest are drawn evenly."""
    average: float = Field(0.999, ge=0, lt=1)
    """Decay of the averaged weights of the generator."""
    precision: Literal["bf16", "fp32"] = "fp32"
    save_every: int = Field(500, gt=0)
    seed: int = 0


class SynthesisRecipe(_Strict):
    """Everything that decides the training of a generator from labelled tiles."""

    name: str = "synthesis"
    description: str = ""
    licence: str = "that of the training images"
    taxonomy: str | None = None
    """Classes; those of the first dataset where not given."""
    mpp: float | None = Field(None, gt=0, le=2)
    """µm per pixel; that of the first dataset where not given."""
    data: list[DataSource] = Field(min_length=1)
    kept_out: KeptOut | None = None
    generator: GeneratorSettings = GeneratorSettings.model_validate({})
    discriminator: DiscriminatorSettings = DiscriminatorSettings.model_validate({})
    losses: SynthesisLosses = SynthesisLosses.model_validate({})
    optimiser: SynthesisOptimiser = SynthesisOptimiser.model_validate({})
    training: SynthesisTraining = SynthesisTraining.model_validate({})


def load_synthesis_recipe(source: str | Path, changes: list[str] | None = None) -> SynthesisRecipe:
    """Read a recipe, or make one from a folder of annotated images, and apply changes.

    Parameters
    ----------
    source : path
        The name of a recipe that comes with the package, a YAML file, or a folder of annotated
        images, for which every other key has its default.
    changes : list of str, optional
        Such as ``"generator.width=16"``.

    Raises
    ------
    KaryoscopeError
        If there is no such file or folder, or it holds an unknown key or a bad value.
    """
    shipped = _SHIPPED / f"{source}.yaml"
    path = shipped if shipped.is_file() else Path(source)
    if path.is_dir():
        data: Any = {"data": [{"path": str(path)}]}
    elif path.is_file():
        data = _read(path)
    else:
        raise KaryoscopeError(f"{path} is neither a recipe nor a folder of annotated images")
    for change in changes or []:
        apply_change(data, change)
    _find_split(data, path.parent)
    try:
        return SynthesisRecipe.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise KaryoscopeError(f"{path}: {place}: {first['msg']}") from error


def _find_split(data: dict[str, Any], folder: Path) -> None:
    """Look for the split file beside the recipe too, in place."""
    kept = data.get("kept_out")
    split = kept.get("split") if isinstance(kept, dict) else None
    if split and not Path(split).exists() and (folder / split).is_file():
        data["kept_out"]["split"] = str(folder / split)


def _read(path: Path) -> dict[str, Any]:
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise KaryoscopeError(f"{path} is not a recipe: it has no keys")
    return data
