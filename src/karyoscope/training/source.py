"""The recipe of a training from a name, a file or a folder of annotated images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.training.recipe.losses import point_losses_of
from karyoscope.training.recipe.parent import RECIPE, find_parent
from karyoscope.training.recipe.reading import changed_keys, load_recipe
from karyoscope.training.recipe.schema import Recipe
from karyoscope.training.recipe.stretch import stretched

#: The shipped recipe for a folder of images.
FINETUNE = "finetune"


@dataclass(frozen=True)
class RecipeSource:
    """Where the recipe of a training comes from.

    Attributes
    ----------
    recipe : str or None
        A shipped recipe by name, or a YAML file.
    data : path or None
        Folder of annotated images, in place of the recipe's data.
    start : str or None
        Model to start from, in place of the recipe's; see
        :func:`~karyoscope.training.recipe.parent.find_parent`.
    layout, classes, mpp, split, part
        Properties of ``data`` that are not recognised from its files; see
        :func:`~karyoscope.training.data.own.own_data`.
    points : path or None
        Folder of further images whose nuclei are points; they are trained on beside ``data``, by
        losses of their own that are added to those of the recipe.

    Raises
    ------
    KaryoscopeError
        If a property of ``data`` is given without ``data``.
    """

    recipe: str | None = None
    data: Path | None = None
    start: str | None = None
    layout: str | None = None
    classes: str | None = None
    mpp: float | None = None
    split: Path | None = None
    part: str | None = None
    points: Path | None = None

    def __post_init__(self) -> None:
        of_data = ("layout", "classes", "mpp", "split", "part", "points")
        given = [name for name in of_data if getattr(self, name) is not None]
        if self.data is None and given:
            raise KaryoscopeError(
                f"{given[0]} is a property of a folder of images, and none is given;"
                " in a recipe, change its own keys"
            )


def recipe_of(
    source: RecipeSource,
    out: Path,
    changes: list[str] | None = None,
    resume: bool = False,
    steps: int | None = None,
) -> Recipe:
    """The recipe of a run.

    Parameters
    ----------
    source : RecipeSource
        Data, parent and scale of the training.
    out : path
        Folder of the run; a split that is made goes there.
    changes : list of str, optional
        See :func:`~karyoscope.training.recipe.reading.load_recipe`.
    resume : bool
        Whether the run in ``out`` continues; its own recipe is then read where none is named.
    steps : int, optional
        Fit the schedule to so many steps; keys that ``changes`` set stay as they are. A run that
        continues over its own number of steps keeps its recipe.

    Raises
    ------
    KaryoscopeError
        If neither a recipe nor a folder is named, or one of them cannot be used.
    """
    recipe = _recipe_of(source, out, changes, resume)
    continues = resume and source.recipe is None and steps == recipe.training.steps
    if steps is None or continues:
        return recipe
    return stretched(recipe, steps, changed_keys(changes or []))


def _recipe_of(source: RecipeSource, out: Path, changes: list[str] | None, resume: bool) -> Recipe:
    if resume and source.recipe is None:
        return load_recipe(out / RECIPE, changes)
    if source.recipe is None and source.data is None:
        raise KaryoscopeError("name a recipe, or give a folder of annotated images with --data")
    if (out / "last.ckpt").is_file() and not resume:
        raise KaryoscopeError(f"{out} holds a run already: give --resume or another --out")
    keys: dict[str, Any] = {}
    if source.start is not None:
        find_parent(source.start)
        keys["start"] = source.start
    if source.data is not None:
        # Imported late: it needs the analyst's packages, which a bare GPU machine may lack.
        from karyoscope.training.data.own import own_data

        of_data = {"layout": source.layout, "classes": source.classes, "mpp": source.mpp}
        of_split = {"split": source.split, "part": source.part}
        keys |= own_data(source.data, out, **of_data, **of_split)  # type: ignore[arg-type]
        keys.setdefault("taxonomy", None)
        if source.recipe is None:
            keys["name"] = source.data.resolve().name
    name = source.recipe or FINETUNE
    if source.points is not None:
        scale = {} if source.mpp is None else {"mpp": source.mpp}
        keys["data"] = [*keys["data"], {"path": str(source.points), **scale}]
        keys["losses"] = _with_points(load_recipe(name, changes, keys))
    return load_recipe(name, changes, keys)


def _with_points(recipe: Recipe) -> list[dict[str, Any]]:
    """Losses of a recipe, and those that its network needs to learn from points."""
    losses = [loss.model_dump(mode="json") for loss in recipe.losses]
    names = {loss.name for loss in recipe.losses}
    network = {"name": recipe.network.name, **recipe.network.untrained}
    added = point_losses_of(network, len(Taxonomy.load(recipe.taxonomy)))
    return losses + [loss for loss in added if loss["name"] not in names]
