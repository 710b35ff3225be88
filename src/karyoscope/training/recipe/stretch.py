"""A recipe over another number of steps, with its schedule fitted to them."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.training.recipe.schema import DECAY, Recipe

#: Checkpoints of a short run, and steps between two at least.
_CHECKPOINTS, _LEAST = 4, 5


def stretched(recipe: Recipe, steps: int, keep: Collection[str] = ()) -> Recipe:
    """The recipe over another number of steps.

    Warm-up, decay, phases and epochs keep their share of the run, and the averaged weights are
    those of its last tenth at most. A short run has four checkpoints, as far as they are five steps
    apart. It is validated at its end; with ``training.patience`` the
    steps between validations keep their share, too, since only then it can end early.

    Parameters
    ----------
    recipe : Recipe
        Recipe whose schedule is fitted.
    steps : int
        Steps of the new recipe.
    keep : collection of str
        Keys whose values stay as they are, such as ``"validation.every"``; those that a user has
        set are found by :func:`~karyoscope.training.recipe.reading.changed_keys`.

    Raises
    ------
    KaryoscopeError
        If phases that stay as they are take more steps than there are.

    Examples
    --------
    >>> from karyoscope.training.recipe.reading import load_recipe
    >>> lizard = load_recipe("lizard", ["optimiser.decay=4200"])
    >>> short = stretched(lizard, 2100)
    >>> short.training.steps, short.optimiser.warmup, short.optimiser.decay
    (2100, 30, 420)
    >>> stretched(lizard, 2100, keep=["optimiser.warmup"]).optimiser.warmup == (
    ...     lizard.optimiser.warmup
    ... )
    True
    """
    share = steps / recipe.training.steps
    data = recipe.model_dump(mode="json")
    data["training"]["steps"] = steps
    if "validation.every" not in keep:
        every = max(1, round(share * recipe.validation.every))
        data["validation"]["every"] = every if recipe.training.patience else steps
    if "training.ema" not in keep:
        data["training"]["ema"] = min(recipe.training.ema, max(0.0, 1 - 10 / steps))
    if "training.checkpoint_every" not in keep:
        often = max(_LEAST, steps // _CHECKPOINTS)
        data["training"]["checkpoint_every"] = min(recipe.training.checkpoint_every, often)
    optimiser: dict[str, Any] = data["optimiser"]
    flat = not data["phases"] and optimiser["schedule"]["name"] == "flat"
    if flat and optimiser["decay"] is None:
        optimiser["decay"] = DECAY
    for key in ("warmup", "decay"):
        if optimiser[key] and f"optimiser.{key}" not in keep:
            optimiser[key] = max(1, round(share * optimiser[key]))
    kept = [k for k in range(len(data["phases"])) if {"phases", f"phases.{k}.steps"} & set(keep)]
    for k, phase in enumerate(data["phases"]):
        if k not in kept:
            # Rounded down: phases must not take more steps than there are.
            phase["steps"] = max(1, int(share * phase["steps"]))
    length = sum(phase["steps"] for phase in data["phases"])
    if kept and length > steps:
        raise KaryoscopeError(f"phases take {length} steps, and the training has {steps}")
    schedule = optimiser["schedule"]
    if "epoch" in schedule and "optimiser.schedule.epoch" not in keep:
        # Rounded up: the last drop must not come before the end where it came with it.
        schedule["epoch"] = math.ceil(share * schedule["epoch"])
    return Recipe.model_validate(data)
