"""What the networks of a grid are scored on: the recipe's validation images, or sets of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets import merge_classes, open_dataset
from karyoscope.datasets.merge import maps_to
from karyoscope.evaluation import ScoringOptions, evaluate_model, names_of_part
from karyoscope.inference import load_model
from karyoscope.metrics.stored import plain
from karyoscope.training.ablation.cross_tuned import cross_tuned
from karyoscope.training.ablation.grid import Row, ScoredSet
from karyoscope.training.data.images import split_records
from karyoscope.training.recipe.reading import find_split
from karyoscope.training.recipe.schema import Recipe


def scores_of(
    row: Row, recipe: Recipe, bundle: Path, device: str, threads: int, sets: tuple[ScoredSet, ...]
) -> list[dict[str, Any]]:
    """Score a bundle on every set of a row.

    Parameters
    ----------
    row : Row
    recipe : Recipe
        Recipe that the bundle was trained by; its validation images are scored where no set is
        given.
    bundle : path
    device : {"auto", "cpu", "cuda"}
    threads : int
    sets : tuple of ScoredSet
        Sets that the row names, or else the grid.

    Returns
    -------
    list of dict
        ``on``, what was scored; ``protocol``; the scores; ``images``.

    Raises
    ------
    KaryoscopeError
        If an image cannot be scored.
    """
    if sets:
        return [_on_set(given, bundle, device, threads) for given in sets]
    _, validation = split_records(recipe)
    truth, names = validation[0][0], [record.name for _, record in validation]
    about = {"on": "validation", "protocol": "conic"}
    if row.tune is not None:
        evaluation, params = cross_tuned(bundle, row.tune, truth, names, device, threads)
        return [about | plain(evaluation.scores) | {"images": len(names), "tuned": params}]
    return [about | _scored(truth, "conic", names, bundle, device, threads)]


def _on_set(given: ScoredSet, bundle: Path, device: str, threads: int) -> dict[str, Any]:
    if not given.truth.exists():
        # Few have every set of a table; the others are scored all the same.
        name = f"{given.name or given.truth.name} (not at {given.truth})"
        return {"on": name, "protocol": given.protocol, "classes": {}, "images": 0}
    truth = open_dataset(given.truth, given.layout)
    names = None
    if given.split is not None:
        names = names_of_part(find_split(str(given.split)), given.part)
    about = {"on": given.name or given.truth.name, "protocol": given.protocol}
    return about | _scored(truth, given.protocol, names, bundle, device, threads)


def _scored(
    truth: Any, protocol: str, names: Any, bundle: Path, device: str, threads: int
) -> dict[str, Any]:
    model = load_model(str(bundle), device, threads)
    if maps_to(truth.taxonomy, model.taxonomy):
        # So that every set of a table has the classes of the recipe.
        truth = merge_classes(truth, model.taxonomy)
    outcome = evaluate_model(truth, model, ScoringOptions(protocol, names))
    if outcome.problems:
        raise KaryoscopeError(outcome.problems[0])
    return plain(outcome.evaluation.scores) | {"images": outcome.images}
