"""Division of a recipe's images into folds, each of which is held out once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets import Dataset, Record
from karyoscope.datasets.split import (
    Split,
    count_nuclei,
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
