"""Everything that decides the training of a RestainNet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.yaml import parse_yaml, read_yaml


class RestainSettings(BaseModel):
    """Length, form and losses of a run.

    The papers give neither layers nor weights. The rates and the decay over the second half are
    those of image-to-image networks (Isola et al. 2017); the weights were chosen here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "restain"
    version: str = "1"
    licence: str = "that of the target images"
    mpp: float = Field(0.5, gt=0, le=2)
    """µm per pixel that the network works at."""
    width: int = Field(16, gt=0)
    """Channels of the finest level."""
    levels: int = Field(3, ge=2, le=6)
    steps: int = Field(6000, gt=0)
    batch_size: int = Field(8, gt=0)
    tile: int = Field(128, gt=0)
    """Edge of a training tile, px."""
    lr: float = Field(1e-3, gt=0)
    """Learning rate of the network; it falls to zero over the second half of the run."""
    critic_lr: float = Field(2e-4, gt=0)
    """Learning rate of the critic, which falls alike."""
    critic_width: int = Field(16, gt=0)
    pixel: float = Field(10.0, ge=0)
    """Weight of the mean absolute difference of pixels."""
    staining: float = Field(2.0, ge=0)
    """Weight of the staining loss."""
    adversarial: float = Field(0.1, ge=0)
    """Weight of the adversarial term; 0 trains without a critic."""
    seed: int = 0

    @classmethod
    def of_changes(cls, changes: list[str], **given: Any) -> RestainSettings:
        """Settings with ``key=value`` changes; raises a KaryoscopeError that names a wrong one."""
        values = {key: value for key, value in given.items() if value is not None}
        for change in changes:
            key, equals, value = change.partition("=")
            if not equals:
                raise KaryoscopeError(f"--set {change!r} should read key=value")
            values[key] = parse_yaml(value, f"--set {change}: {value}")
        return cls._checked(values, "--set")

    @classmethod
    def read(cls, path: Path) -> RestainSettings:
        """Settings of an earlier run."""
        return cls._checked(read_yaml(path), str(path))

    @classmethod
    def _checked(cls, values: dict[str, Any], source: str) -> RestainSettings:
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise KaryoscopeError(f"{source}: {place}: {first['msg']}") from error
