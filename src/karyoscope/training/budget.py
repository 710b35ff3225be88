"""As many steps as a budget allows, and the schedule of a recipe within them."""

from __future__ import annotations

import math
from typing import Any

from karyoscope.training.grid import Budget
from karyoscope.training.schema import DECAY, Recipe


def within(recipe: Recipe, budget: Budget, seconds_a_step: float) -> Recipe:
    """The recipe with as many steps as a budget allows, and its schedule stretched to them.

    Examples
    --------
    >>> from karyoscope.training.recipe import load_recipe
    >>> lizard = load_recipe("lizard")
    >>> [within(lizard, b, 0.5).training.steps for b in (Budget(tiles=400), Budget(seconds=10))]
    [100, 20]
    """
    steps = recipe.training.steps
    if budget.steps is not None:
        steps = budget.steps
    elif budget.tiles is not None:
        steps = max(1, round(budget.tiles / recipe.training.batch_size))
    elif budget.seconds is not None:
        steps = max(1, round(budget.seconds / seconds_a_step))
    return stretched(recipe, steps)


def stretched(recipe: Recipe, steps: int) -> Recipe:
    """The recipe over another number of steps.

    Warm-up, decay, phases and epochs keep their share of the run; it is validated at its end.

    Examples
    --------
    >>> from karyoscope.training.recipe import load_recipe
    >>> short = stretched(load_recipe("lizard", ["optimiser.decay=4200"]), 2100)
    >>> short.training.steps, short.optimiser.warmup, short.optimiser.decay
    (2100, 30, 420)
    """
    share = steps / recipe.training.steps
    data = recipe.model_dump(mode="json")
    data["training"]["steps"] = data["validation"]["every"] = steps
    optimiser: dict[str, Any] = data["optimiser"]
    flat = not data["phases"] and optimiser["schedule"]["name"] == "flat"
    if flat and optimiser["decay"] is None:
        optimiser["decay"] = DECAY
    for key in ("warmup", "decay"):
        if optimiser[key]:
            optimiser[key] = max(1, round(share * optimiser[key]))
    for phase in data["phases"]:
        # Rounded down: phases must not take more steps than there are.
        phase["steps"] = max(1, int(share * phase["steps"]))
    schedule = optimiser["schedule"]
    if "epoch" in schedule:
        # Rounded up: the last drop must not come before the end where it came with it.
        schedule["epoch"] = math.ceil(share * schedule["epoch"])
    return Recipe.model_validate(data)
