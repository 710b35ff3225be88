"""Options with a fixed set of values, or with names separated by commas."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Annotated

import typer

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.limits import MOST_THREADS as MOST_THREADS
from karyoscope.core.plugins import PluginError, name_and_argument, named, split_name
from karyoscope.core.registry import Registry
from karyoscope.inference import DEVICES, shipped_models


class Device(StrEnum):
    """Devices that train a network; engines that only run one are no choice for training."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


class Views(StrEnum):
    """Views of an image that are averaged; the numbers of :data:`karyoscope.inference.VIEWS`."""

    ONE = "1"
    TWO = "2"
    FOUR = "4"
    EIGHT = "8"
    SIXTEEN = "16"


class Grouping(StrEnum):
    """Groupings of images; see :data:`karyoscope.evaluation.GROUPINGS`."""

    COHORT = "cohort"
    SOURCE = "source"


class Log(StrEnum):
    """Formats of the training log."""

    CSV = "csv"
    TENSORBOARD = "tensorboard"
    WANDB = "wandb"
    MLFLOW = "mlflow"


class Unit(StrEnum):
    """Units that a split keeps in one part."""

    SOURCE = "source"
    TILE = "tile"


class Style(StrEnum):
    """Tile whose colours a synthetic tile has: that of the mask, or another."""

    OWN = "own"
    OTHER = "other"


def _known_engine(name: str) -> str:
    name = DEVICES.canonical(name)
    if split_name(name) is None:
        try:
            DEVICES.find(name)
        except PluginError:
            raise
        except KaryoscopeError as error:
            raise typer.BadParameter(str(error)) from error
    return name


EngineName = Annotated[
    str,
    typer.Option(
        metavar="|".join(DEVICES),
        callback=_known_engine,
        help="Engine that runs the network; also one of a plugin, by name or FILE:NAME.",
    ),
]


def names_of(option: str, text: str, known: Collection[str]) -> list[str]:
    """Return names that are separated by commas.

    They may be in upper or lower case. In a registry they may also be parts of plugins:
    ``my_file.py:Name`` or those of installed packages.

    Raises
    ------
    typer.BadParameter
        If one of them is unknown.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if isinstance(known, Registry):
        names = [named(known.canonical(name)) for name in names]
    else:
        as_known = {name.casefold(): name for name in known}
        names = [as_known.get(name.casefold(), name) for name in names]
    for name in names:
        if name in known:
            continue
        if not isinstance(known, Registry):
            raise typer.BadParameter(f"{option} {name}: there are {', '.join(known)}")
        try:
            known.find(name)
        except PluginError:
            raise
        except KaryoscopeError as error:
            raise typer.BadParameter(f"{option} {name}: {error}") from error
    return names


def shipped_names(incomplete: str) -> list[str]:
    """Shipped models whose names begin so, for the completion of a shell."""
    return [name for name in shipped_models() if name.startswith(incomplete)]


def stain_of(text: str | None) -> str | None:
    """Value of ``--stain``; the plugin file that it may name is run."""
    if text is None:
        return None
    name, _ = name_and_argument(text)
    return named(name) + text[len(name) :]
