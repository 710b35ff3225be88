"""A recipe over another number of steps, with its schedule fitted to them."""

from __future__ import annotations

import math
from typing import Any

from karyoscope.training.recipe.schema import DECAY, Recipe


def stretched(recipe: Recipe, steps: int) -> Recipe:
    """The recipe over another number of steps.

    Warm-up, decay, phases and epochs keep their share of the run; it is validated at its end, and
    the averaged weights are those of its last tenth at most.

    Examples
    --------
    >>> from karyoscope.training.recipe.reading import load_recipe
    >>> short = stretched(load_recipe("lizard", ["optimiser.decay=4200"]), 2100)
    >>> short.training.steps, short.optimiser.warmup, short.optimiser.decay
    (2100, 30, 420)
    """
    share = steps / recipe.training.steps
    data = recipe.model_dump(mode="json")
    data["training"]["steps"] = data["validation"]["every"] = steps
    data["training"]["ema"] = min(recipe.training.ema, max(0.0, 1 - 10 / steps))
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
