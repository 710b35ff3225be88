"""Images that a training leaves out, to be scored by it: a fold, or a cohort."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets import Dataset, Record
from karyoscope.datasets.split import (
    Split,
    count_nuclei,
    leave_out,
    read_split,
    split_records,
    write_split,
)
from karyoscope.training.data.images import images_of
from karyoscope.training.recipe.schema import Recipe

#: Parts of a division beside the folds, on which nothing trains: images of whole sources, which
#: are held out of every dataset, and images that share their source with images of a fold.
TEST, ALONE = "test", "alone"


def divided_images(recipe: Recipe, folds: int) -> list[Record]:
    """Images of a recipe's first dataset that it trains on or validates on; none is read.

    These are divided into folds. Images that its splits keep for something else, such as a
    published test set, are not among them.

    Raises
    ------
    KaryoscopeError
        If they are of fewer sources than there are folds.
    """
    sources, validation = images_of(recipe)
    names = {record.name for record in (*sources[0].train, *validation)}
    records = [record for record in sources[0].dataset.records if record.name in names]
    given = len(sources_of(records))
    if given < folds:
        path = recipe.data[0].path
        raise KaryoscopeError(f"{path}: images of {given} sources cannot make {folds} folds")
    return records


def sources_of(records: Sequence[Record]) -> set[str]:
    """The source images of records."""
    return {record.source for record in records}


def division(
    path: Path, recipe: Recipe, dataset: Dataset, divided: Sequence[Record], folds: int, seed: int
) -> Split:
    """Read the division of a folder of runs, or make it where there is none.

    Parameters
    ----------
    path : path
        Its file.
    recipe : Recipe
        Recipe without folds.
    dataset : Dataset
        First dataset of the recipe. Every image is read once, to count its nuclei.
    divided : sequence of Record
        Images that are divided, by source and balanced over classes and cohorts.
    folds : int
    seed : int
        The same seed gives the same folds.

    Returns
    -------
    Split
        Its parts are ``"1"``, ``"2"``, ...; and ``"test"`` and ``"alone"`` if images are left.

    Raises
    ------
    KaryoscopeError
        If there are fewer sources than folds, or the file divides other images.
    """
    if path.is_file():
        check_division(path, divided)
        return read_split(path)
    names, sources = {record.name for record in divided}, sources_of(divided)
    aside: dict[str, list[str]] = {}
    for record in dataset.records:
        if record.name not in names:
            alone = record.source in sources or record.name in recipe.data[0].exclude
            aside.setdefault(ALONE if alone else TEST, []).append(record.name)
    shares = {str(k + 1): 1 / folds for k in range(folds)}
    counts = count_nuclei(dataset)
    made = split_records(dataset.records, counts, dataset.taxonomy, shares, seed, aside=aside)
    write_split(made, path)
    return made


def check_division(path: Path, divided: Sequence[Record]) -> None:
    """Raise where the file of a division has other images in its folds."""
    if fold_names(read_split(path)) != {record.name for record in divided}:
        raise KaryoscopeError(
            f"{path} divides other images than the recipe has now: use another --out"
        )


def fold_names(made: Split) -> set[str]:
    """Names of the images that are in a fold of a division."""
    return {name for part, names in made.parts.items() if part.isdecimal() for name in names}


def holding_out(recipe: Recipe, path: Path, fold: int | str) -> list[str]:
    """Changes of a recipe by which it trains without one fold and validates on it.

    The division takes the place of the splits that the recipe names for its first dataset.

    Parameters
    ----------
    recipe : Recipe
        The recipe without folds.
    path : path
        File of the :func:`division`.
    fold : int or str
        From 1.
    """
    excluded = {*recipe.data[0].exclude, *read_split(path).parts.get(ALONE, [])}
    own = ["data.0.split=null"] if recipe.data[0].split is not None else []
    own += [f"data.0.exclude={json.dumps(sorted(excluded))}"] if excluded else []
    return [*own, f"validation.split={path}", f"validation.part={fold}"]


def without_cohort(
    recipe: Recipe, dataset: Dataset, divided: Sequence[Record], cohort: str, path: Path
) -> list[str]:
    """Write the split that leaves a cohort out; return the changes of the recipe for it.

    Parameters
    ----------
    recipe : Recipe
        Recipe that trains on every cohort; its own ``data.0.split`` stays.
    dataset : Dataset
        First dataset of the recipe; no image is read.
    divided : sequence of Record
        Images that may be trained on and scored; the others are neither.
    cohort : str
    path : path
        File to write; the part ``validation`` has the images to score.

    Raises
    ------
    KaryoscopeError
        If there is no such cohort or no other, or none of its images may be scored.
    """
    used = {record.name for record in divided}
    rest = {record.name for record in dataset.records} - used
    # Nuclei are not counted for it.
    counts = [np.zeros(256, np.int64)] * len(dataset.records)
    split = leave_out(dataset.records, counts, dataset.taxonomy, cohort)
    scored = [name for name in split.parts["validation"] if name in used]
    if not scored:
        raise KaryoscopeError(f"cohort {cohort!r} has test images alone: nothing could be scored")
    # Each image has to be in a part; the others are excluded from the one that is trained on.
    train = sorted({*split.parts["train"], *split.parts["validation"]} - {*scored})
    write_split(replace(split, parts={"train": train, "validation": scored}), path)
    excluded = sorted({*recipe.data[0].exclude, *rest})
    own = [f"data.0.exclude={json.dumps(excluded)}"] if rest else []
    return [*own, f"validation.split={path}", "validation.part=validation"]
