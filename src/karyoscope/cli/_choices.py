"""Options that take one of some values, which help then lists, or several names."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

import typer


class Device(StrEnum):
    """What runs a network; the names of :data:`karyoscope.inference.DEVICES`."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Views(StrEnum):
    """Views of an image that are averaged; the numbers of :data:`karyoscope.inference.VIEWS`."""

    ONE = "1"
    TWO = "2"
    FOUR = "4"
    EIGHT = "8"
    SIXTEEN = "16"


class Grouping(StrEnum):
    """What images can be grouped by; see :data:`karyoscope.evaluation.GROUPINGS`."""

    COHORT = "cohort"
    SOURCE = "source"


class Log(StrEnum):
    """What a training writes its curves to."""

    CSV = "csv"
    TENSORBOARD = "tensorboard"


class Unit(StrEnum):
    """What a split keeps together."""

    SOURCE = "source"
    TILE = "tile"


class Style(StrEnum):
    """Whose colours a synthetic tile gets: those of the mask's own tile, or of another."""

    OWN = "own"
    OTHER = "other"


def names_of(option: str, text: str, known: Collection[str]) -> list[str]:
    """Return names that are separated by commas.

    Raises
    ------
    typer.BadParameter
        If one of them is unknown.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"{option} {name}: there are {', '.join(known)}")
    return names
