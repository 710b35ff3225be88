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
from karyoscope.core.plugins import fault as fault_of_plugin
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.losses import LOSSES, build_loss
from karyoscope.networks import build_network
from karyoscope.networks.base import deployed_outputs
from karyoscope.networks.deployed import Deployed
from karyoscope.targets import OF_THE_BATCH, TARGETS
from karyoscope.training.optim.schedule import Flat
from karyoscope.training.recipe.schema import Recipe, WeightedLoss

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
    lacking = [name for name in ("encoder", "outputs", "auxiliary") if not hasattr(network, name)]
    if lacking:
        what = f"network {recipe.network.name!r} is not as networks are: it has no {lacking[0]!r}"
        return [*faults, (("network",), what)]
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
    if recipe.soft_labels is not None and not recipe.teacher:
        yield (
            ("soft_labels",),
            "it keeps a teacher's probabilities, and the recipe has no teacher",
        )
    unchanged = (recipe.mean, recipe.std) == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    if recipe.network.options.get("colours") == "six" and not unchanged:
        yield (
            ("network", "colours"),
            "six colours are made of values of 0 to 1: set mean to [0, 0, 0] and std to [1, 1, 1]",
        )
    if recipe.optimiser.sam and recipe.training.accumulate > 1:
        yield (
            ("training", "accumulate"),
            "Sharpness-Aware Minimization looks at one batch twice: leave one of them out",
        )
    paste = recipe.training.paste
    if paste.nuclei and paste.size > recipe.training.tile:
        yield (
            ("training", "paste"),
            f"patches of {paste.size} px do not fit into tiles of {recipe.training.tile} px",
        )
    if recipe.training.keep_parent and recipe.start is None:
        yield (
            ("training", "keep_parent"),
            "there is no parent whose weights could be kept: give start, or leave this out",
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
                continue
            if not _has_weights(recipe, part) and all(
                part in earlier.frozen for earlier in recipe.phases[:k]
            ):
                yield (
                    ("phases", k, "frozen"),
                    f"{part!r} would stay as it was drawn at random: give it weights by"
                    f" {'network.pretrained or ' if part == 'encoder' else ''}start, or train it"
                    " first",
                )


def _has_weights(recipe: Recipe, part: str) -> bool:
    """Whether a part of the network begins with weights that were trained."""
    pretrained = recipe.network.options.get("pretrained", False)
    inside = part == "encoder" or part.startswith("encoder.")
    return recipe.start is not None or bool(inside and pretrained)


def _losses(recipe: Recipe, network: Any, n_classes: int) -> Iterator[Fault]:
    seen: set[str] = set()
    for k, loss in enumerate(recipe.losses):
        place = ("losses", k)
        if loss.label in seen:
            yield place, f"the same loss twice: {loss.label}"
        seen.add(loss.label)
        try:
            built = _built(loss, n_classes, recipe.mpp)
        except KaryoscopeError as error:
            yield place, str(error)
            continue
        lacking = [name for name in ("reads", "needs") if not hasattr(built, name)]
        if lacking:
            yield place, f"loss {loss.name!r} is not as losses are: it has no {lacking[0]!r}"
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
    for name in needs:
        if name not in OF_THE_BATCH:
            try:
                TARGETS.find(name)
            except KaryoscopeError as error:
                yield str(error)
    if any(name.startswith("soft_") for name in needs) and not recipe.teacher:
        yield "it reads a teacher's probabilities, and the recipe has no teacher"
    if "same_tissue" in needs:
        sizes = [recipe.training.batch_size, *(p.batch_size or 0 for p in recipe.phases)]
        if any(size % 2 for size in sizes):
            yield "it compares two views of each tile, and training.batch_size is odd"
        if getattr(network, "margin", 0):
            yield f"network {recipe.network.name!r} predicts only the middle of a tile"


def _built(loss: WeightedLoss, n_classes: int, mpp: float) -> Any:
    """A loss; without memory for weights that it would fetch."""
    if LOSSES.takes(loss.name, "pretrained"):
        with torch.device("meta"):
            return build_loss(loss.name, n_classes, mpp, **loss.options | {"pretrained": False})
    return build_loss(loss.name, n_classes, mpp, **loss.options)


def targets_of(recipe: Recipe) -> set[str]:
    """Names of the targets that the losses of a recipe need."""
    n_classes = len(Taxonomy.load(recipe.taxonomy))
    return {name for loss in recipe.losses for name in _built(loss, n_classes, recipe.mpp).needs}


@lru_cache(maxsize=16)
def _maps(
    name: str, options: str, n_classes: int, tile: int, multiple_of: int
) -> tuple[list[str], list[Fault]]:
    """Maps that the trained model will give, or why a tile or an image does not fit."""
    network = _weightless(name, options, n_classes)
    with torch.device("meta"), torch.no_grad():
        try:
            network(torch.zeros(2, 3, tile, tile))
        except (RuntimeError, ValueError) as error:
            fault = f"tiles of {tile} px do not fit network {name!r}{_reason(error)}"
            return [], [(("training", "tile"), fault)]
        module = Deployed(network, (0, 0, 0), (1, 1, 1), deployed_outputs(network))
        image = torch.zeros(1, 2 * multiple_of, 3 * multiple_of, 3, dtype=torch.uint8)
        try:
            return list(module(image)), []
        except (RuntimeError, ValueError) as error:
            fault = (
                f"network {name!r} does not take every image whose edges are multiples of"
                f" {multiple_of} px{_reason(error)}"
            )
            return [], [(("training", "multiple_of"), fault)]


def _reason(error: Exception) -> str:
    """Where a plugin's network failed; nothing for one of ours."""
    line = fault_of_plugin(error)
    return f" ({line})" if line else ""


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
