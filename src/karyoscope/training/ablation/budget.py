"""As many steps as the budget of a grid allows."""

from __future__ import annotations

from collections.abc import Collection

from karyoscope.training.ablation.grid import Budget
from karyoscope.training.optim.phases import tiles_in_phases
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
        Mean over the phases of the recipe; see
        :func:`~karyoscope.training.ablation.measure.seconds_a_step`.
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

    Phases with batches of their own count with these.

    >>> hovernet = load_recipe("hovernet")
    >>> within(hovernet, Budget(tiles=tiles_drawn(hovernet)), 0.5).training.steps
    93450
    """
    steps = recipe.training.steps
    if budget.steps is not None:
        steps = budget.steps
    elif budget.epochs is not None:
        tiles = budget.epochs * pixels / recipe.training.tile**2
        steps = _steps_of(recipe, tiles, keep)
    elif budget.tiles is not None:
        steps = _steps_of(recipe, budget.tiles, keep)
    elif budget.seconds is not None:
        steps = max(1, round(budget.seconds / seconds_a_step))
    return stretched(recipe, steps, keep)


def tiles_drawn(recipe: Recipe) -> int:
    """Tiles that all steps of a recipe draw, on all devices together."""
    settings = recipe.training
    drawn = tiles_in_phases(settings.steps, recipe.phases, settings.batch_size)
    return drawn * settings.accumulate * settings.devices


def _steps_of(recipe: Recipe, tiles: float, keep: Collection[str]) -> int:
    """Steps that draw so many tiles once the phases are fitted to them."""
    # No fewer than the phases take, which may be ones that stay as they are.
    steps = max(_at_mean(recipe, tiles), sum(phase.steps for phase in recipe.phases))
    # Phases are rounded, and those that stay change the mean; a few repetitions settle it.
    for _ in range(20 if recipe.phases else 1):
        before, steps = steps, _at_mean(stretched(recipe, steps, keep), tiles)
        if steps == before:
            break
    return steps


def _at_mean(recipe: Recipe, tiles: float) -> int:
    return max(1, round(tiles * recipe.training.steps / tiles_drawn(recipe)))
