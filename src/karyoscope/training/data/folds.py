"""Division of a recipe's images into folds, each of which is held out once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets import Dataset, Record
from karyoscope.datasets.split import Split, count_nuclei, split_records
from karyoscope.training.data.images import images_of
from karyoscope.training.recipe.schema import Recipe


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
    given = len({record.source for record in records})
    if given < folds:
        path = recipe.data[0].path
        raise KaryoscopeError(f"{path}: images of {given} sources cannot make {folds} folds")
    return records


def split_into_folds(
    dataset: Dataset, divided: Sequence[Record], folds: int, seed: int = 0
) -> Split:
    """Divide images by source into folds, balanced over classes and cohorts.

    Parameters
    ----------
    dataset : Dataset
        Every image is read once, to count its nuclei.
    divided : sequence of Record
        Images that are divided; the others are the part ``test``, which nothing trains on.
    folds : int
    seed : int
        The same seed gives the same folds.

    Returns
    -------
    Split
        Its parts are ``"1"``, ``"2"``, ..., and ``"test"`` if images are left.

    Raises
    ------
    KaryoscopeError
        If there are fewer sources than folds.
    """
    counts = count_nuclei(dataset)
    aside = {record.name for record in dataset.records} - {record.name for record in divided}
    shares = {str(k + 1): 1 / folds for k in range(folds)}
    return split_records(dataset.records, counts, dataset.taxonomy, shares, seed, aside=aside)


def holding_out(recipe: Recipe, split: Path, fold: int | str) -> list[str]:
    """Changes of a recipe by which it trains without one fold and validates on it.

    The fold takes the place of the split that the recipe names for its first dataset.

    Parameters
    ----------
    recipe : Recipe
        The recipe without folds.
    split : path
        File of :func:`split_into_folds`.
    fold : int or str
        From 1.
    """
    own = ["data.0.split=null"] if recipe.data[0].split is not None else []
    return [*own, f"validation.split={split}", f"validation.part={fold}"]
