"""Whether the parts of a recipe fit together, before anything is read or trained."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.optional import installed
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.losses import LOSSES, build_loss
from karyoscope.networks import build_network
from karyoscope.networks.base import deployed_outputs
from karyoscope.networks.deployed import Deployed
from karyoscope.training.schedule import Flat
from karyoscope.training.schema import Recipe, WeightedLoss

#: Keys from the top of a recipe to a value.
Place = tuple[str | int, ...]
#: A place, and what is wrong there.
Fault = tuple[Place, str]

#: Packages that the post-processing, and so validation, needs.
ANALYST = ("numba", "cv2", "scipy", "pyarrow", "tifffile")


def can_validate() -> bool:
    """Whether the packages of the post-processing are here; a bare GPU machine trains without."""
    return installed(*ANALYST)


def faults_of(recipe: Recipe) -> list[Fault]:
    """Everything in a recipe that cannot be, by place.

    The network is built without memory for its weights, and shown a tile without content.
    """
    faults = [*_combinations(recipe)]
    try:
        n_classes = len(Taxonomy.load(recipe.taxonomy))
    except KaryoscopeError as error:
        return [*faults, (("taxonomy",), str(error))]
    built = recipe.network.name, json.dumps(recipe.network.untrained, default=str), n_classes
    try:
        network = _weightless(*built)
    except KaryoscopeError as error:
        return [*faults, (("network",), str(error))]
    faults += _phases(recipe, network)
    faults += _losses(recipe, network, n_classes)
    sizes = recipe.training.tile, recipe.training.multiple_of
    maps, wrong_size = _maps(*built, *sizes)
    faults += wrong_size
    if can_validate():
        faults += _stain(recipe)
    if not wrong_size and can_validate():
        faults += _postprocessing(recipe, maps)
    return faults


def _combinations(recipe: Recipe) -> Iterator[Fault]:
    unchanged = (recipe.mean, recipe.std) == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    if recipe.network.options.get("colours") == "six" and not unchanged:
        yield (
            ("network", "colours"),
            "six colours are made of values of 0 to 1: set mean to [0, 0, 0] and std to [1, 1, 1]",
        )
    if not recipe.phases:
        return
    steps = recipe.training.steps
    if not isinstance(recipe.optimiser.schedule, Flat):
        yield ("optimiser", "schedule"), "phases have rates of their own: leave this out"
    length = sum(phase.steps for phase in recipe.phases)
    if length > steps:
        yield ("phases",), f"they take {length} steps, and training.steps is {steps}"


@lru_cache(maxsize=16)
def _weightless(name: str, options: str, n_classes: int) -> Any:
    with torch.device("meta"):
        return build_network(name, n_classes, **json.loads(options)).eval()


def _phases(recipe: Recipe, network: nn.Module) -> Iterator[Fault]:
    parts = [name for name, _ in network.named_children()]
    for k, phase in enumerate(recipe.phases):
        for part in phase.frozen:
            try:
                network.get_submodule(part)
            except AttributeError:
                yield (
                    ("phases", k, "frozen"),
                    f"network {recipe.network.name!r} has no part {part!r}; there are"
                    f" {', '.join(parts)}",
                )


def _losses(recipe: Recipe, network: Any, n_classes: int) -> Iterator[Fault]:
    seen: set[str] = set()
    for k, loss in enumerate(recipe.losses):
        place = ("losses", k)
        if loss.name in seen:
            yield place, f"the same loss twice: {loss.name}"
        seen.add(loss.name)
        try:
            built = _built(loss, n_classes)
        except KaryoscopeError as error:
            yield place, str(error)
            continue
        yield from ((place, fault) for fault in _unmet(recipe, network, built.needs))
        missing = sorted(set(built.reads) - set(network.outputs))  # type: ignore[arg-type]
        if missing:
            yield (
                place,
                f"loss {loss.name!r} reads {', '.join(missing)}, but network"
                f" {recipe.network.name!r} predicts {', '.join(network.outputs)}",
            )


def _unmet(recipe: Recipe, network: Any, needs: Sequence[str]) -> Iterator[str]:
    """What the batches of a recipe cannot give a loss."""
    if any(name.startswith("soft_") for name in needs) and recipe.teacher is None:
        yield "it reads a teacher's probabilities, and the recipe has no teacher"
    if "same_tissue" in needs:
        if recipe.training.batch_size % 2:
            yield "it compares two views of each tile, and training.batch_size is odd"
        if getattr(network, "margin", 0):
            yield f"network {recipe.network.name!r} predicts only the middle of a tile"


def _built(loss: WeightedLoss, n_classes: int) -> Any:
    """A loss; without memory for weights that it would fetch."""
    if loss.name in LOSSES and LOSSES.takes(loss.name, "pretrained"):
        with torch.device("meta"):
            return build_loss(loss.name, n_classes, **loss.options | {"pretrained": False})
    return build_loss(loss.name, n_classes, **loss.options)


@lru_cache(maxsize=16)
def _maps(
    name: str, options: str, n_classes: int, tile: int, multiple_of: int
) -> tuple[list[str], list[Fault]]:
    """Maps that the trained model will give, or why a tile or an image does not fit."""
    network = _weightless(name, options, n_classes)
    with torch.device("meta"), torch.no_grad():
        try:
            network(torch.zeros(2, 3, tile, tile))
        except (RuntimeError, ValueError):
            fault = f"tiles of {tile} px do not fit network {name!r}"
            return [], [(("training", "tile"), fault)]
        module = Deployed(network, (0, 0, 0), (1, 1, 1), deployed_outputs(network))
        image = torch.zeros(1, 2 * multiple_of, 3 * multiple_of, 3, dtype=torch.uint8)
        try:
            return list(module(image)), []
        except (RuntimeError, ValueError):
            fault = (
                f"network {name!r} does not take every image whose edges are multiples of"
                f" {multiple_of} px"
            )
            return [], [(("training", "multiple_of"), fault)]


def _stain(recipe: Recipe) -> Iterator[Fault]:
    if recipe.stain is None:
        return
    # Imported late: it needs the analyst's packages.
    from karyoscope.pipeline.stains.inputs import builtin_stain

    try:
        builtin_stain(recipe.stain)
    except KaryoscopeError as error:
        yield ("stain",), str(error)


def _postprocessing(recipe: Recipe, maps: list[str]) -> Iterator[Fault]:
    # Imported late: it needs the analyst's packages.
    from karyoscope.postprocessing import POSTPROCESSINGS

    post = recipe.postprocessing
    try:
        method = POSTPROCESSINGS.find(post.name)
    except KaryoscopeError as error:
        yield ("postprocessing", "name"), str(error)
        return
    try:
        method.validate(post.options)
    except KaryoscopeError as error:
        yield ("postprocessing",), str(error)
    missing = [name for name in method.maps if name not in maps]
    if missing:
        yield (
            ("postprocessing", "name"),
            f"post-processing {post.name!r} needs the map {missing[0]!r}, which no output of"
            f" network {recipe.network.name!r} gives; there are {', '.join(maps)}",
        )
