"""What a bundle says of its model: the content of ``model.yaml``, from a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from karyoscope.core.plugins import short_name
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.inference.bundle import FORMAT
from karyoscope.training.data.images import images_of
from karyoscope.training.keep_parent import Kept
from karyoscope.training.kept import read_description
from karyoscope.training.recipe.schema import Recipe
from karyoscope.training.weights import step_of


def card_of(
    recipe: Recipe,
    run: Path,
    checkpoint: str,
    strides: dict[str, int],
    kept: Kept | None = None,
) -> dict[str, Any]:
    """The card of a bundle, without its scores and digests.

    Parameters
    ----------
    recipe : Recipe
    run : path
        Its folder.
    checkpoint : str
        Name of the checkpoint in it.
    strides : dict
        Stride of each map.
    kept : Kept, optional
        How much of the parent's weights was mixed in.

    Returns
    -------
    dict
        As :class:`~karyoscope.inference.bundle.ModelCard` reads it.
    """
    post = recipe.postprocessing
    return {
        "format": FORMAT,
        "name": recipe.name,
        "version": recipe.version,
        "description": " ".join(recipe.description.split()),
        "licence": recipe.licence,
        "taxonomy": Taxonomy.load(recipe.taxonomy).to_dict(),
        "mpp": recipe.mpp,
        "input": {
            "mean": list(recipe.mean),
            "std": list(recipe.std),
            "multiple_of": recipe.training.multiple_of,
            "context": recipe.context,
            **({"stain": short_name(recipe.stain)} if recipe.stain else {}),
        },
        "maps": strides,
        "network": {"name": short_name(recipe.network.name), "options": recipe.network.untrained},
        "postprocessing": {"name": short_name(post.name), "params": post.options},
        "classes_learned_on": recipe.classes_learned_on,
        "outlines_learned_on": recipe.outlines_learned_on,
        "training": _training(recipe, run, checkpoint, kept),
    }


def _training(recipe: Recipe, run: Path, checkpoint: str, kept: Kept | None) -> dict[str, Any]:
    """What the model was trained on, from the run alone where it keeps that."""
    data = recipe.model_dump(mode="json")
    described = read_description(run)
    if described is None:
        # A run of an earlier version: its data have to be there.
        sources, validation = images_of(recipe)
        described = {
            "data": [source.describe() for source in sources],
            "validation": [record.name for record in validation],
        }
    # Names of training images tell of patients; those kept out are needed to score fairly.
    data_of_run = [
        {k: v for k, v in source.items() if k != "train"} for source in described["data"]
    ]
    return {
        "data": data_of_run,
        "validation": described.get("validation", []),
        "test": described.get("test", []),
        "steps": recipe.training.steps,
        "step": step_of(run / checkpoint),
        "checkpoint": checkpoint,
        "batch_size": recipe.training.batch_size,
        "parents": described.get("parents", []),
        **({} if kept is None else {"keep_parent": kept.to_dict()}),
        "losses": [
            {key: value for key, value in loss.items() if value is not None}
            for loss in data["losses"]
        ],
        "optimiser": {key: value for key, value in data["optimiser"].items() if value is not None},
        "versions": described.get("versions", {}),
    }
