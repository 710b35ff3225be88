"""As many steps as the budget of a grid allows."""

from __future__ import annotations

from collections.abc import Collection

from karyoscope.training.ablation.grid import Budget
from karyoscope.training.recipe.schema import Recipe
from karyoscope.training.recipe.stretch import stretched


def within(
    recipe: Recipe,
    budget: Budget,
    seconds_a_step: float,
    pixels: int = 0,
    keep: Collection[str] = (),
) -> Recipe:
    """The recipe with as many steps as a budget allows, and its schedule stretched to them.

    Parameters
    ----------
    recipe : Recipe
    budget : Budget
    seconds_a_step : float
    pixels : int
        Area of the training images, for a budget in epochs.
    keep : collection of str
        Keys whose values stay as they are; see
        :func:`~karyoscope.training.recipe.stretch.stretched`.

    Examples
    --------
    >>> from karyoscope.training.recipe.reading import load_recipe
    >>> lizard = load_recipe("lizard")
    >>> [within(lizard, b, 0.5).training.steps for b in (Budget(tiles=400), Budget(seconds=10))]
    [100, 20]
    """
    steps = recipe.training.steps
    if budget.steps is not None:
        steps = budget.steps
    elif budget.epochs is not None:
        tiles = budget.epochs * pixels / recipe.training.tile**2
        steps = max(1, round(tiles / recipe.training.batch_size))
    elif budget.tiles is not None:
        steps = max(1, round(budget.tiles / recipe.training.batch_size))
    elif budget.seconds is not None:
        steps = max(1, round(budget.seconds / seconds_a_step))
    return stretched(recipe, steps, keep)
