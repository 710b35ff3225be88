"""The weights of one model as the beginning of another, class by class."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.networks import build_network
from karyoscope.networks.anti_alias import average_kernel
from karyoscope.training.interpolation import ParentWeights
from karyoscope.training.recipe.parent import Parent, find_parent
from karyoscope.training.recipe.schema import Recipe
from karyoscope.training.weights import read_weights

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Start:
    """What a network was given to begin with.

    Attributes
    ----------
    parent : Parent
    loaded : int
        Tensors that were taken, in whole or in part.
    new : list of str
        Names of the tensors that keep the weights that they had.
    classes : dict of str to list of str
        By class of the new model, the parent's classes whose rows of the class heads it begins
        with; empty for a class that is new.
    weights : ParentWeights
        What was taken.
    """

    parent: Parent
    loaded: int
    new: list[str]
    classes: dict[str, list[str]] = field(default_factory=dict)
    weights: ParentWeights = field(default_factory=lambda: ParentWeights({}, {}), repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in the description of a run."""
        return {
            "name": self.parent.name,
            "version": self.parent.version,
            "tensors": self.loaded,
            "new_tensors": self.new,
            "classes": self.classes,
        }

    def __str__(self) -> str:
        named = " ".join(part for part in (self.parent.name, self.parent.version) if part)
        text = f"{self.loaded} tensors from {named}"
        if self.new:
            text += f"; new: {', '.join(self.new)}"
        for name, rows in self.classes.items():
            text += f"; class {name}: " + (f"as {' and '.join(rows)}" if rows else "new")
        return text


def start_from(network: nn.Module, recipe: Recipe) -> Start:
    """Load the weights of the model that a recipe starts from where they fit, in place.

    A kernel that is one pixel larger here than there takes the average of the other's over
    2 x 2 pixels, as :func:`~karyoscope.networks.anti_alias.anti_alias` does. Rows of tensors that
    have one row (or several) a class are matched by class: by name first, then by what the merges
    of either class set say.

    The weights of classes that the parent was tuned with are a prior, and would be lost where the
    classes are others: they go into the biases. A class that several of the parent's make up
    begins with the mean of their rows by these weights, and with the logarithm of their sum: a
    lower bound of the logarithm of the summed probabilities, which no single row can give.

    Parameters
    ----------
    network : nn.Module
        The recipe's network.
    recipe : Recipe
        A recipe with the key ``start``.

    Returns
    -------
    Start

    Raises
    ------
    KaryoscopeError
        If nothing fits.
    """
    assert recipe.start is not None, "only recipes that start from a model come here"
    parent = find_parent(recipe.start)
    given, own = read_weights(parent.weights), network.state_dict()
    here = Taxonomy.load(recipe.taxonomy)
    rows = {} if parent.taxonomy is None else matched_classes(parent.taxonomy, here)
    by_class = _class_tensors(recipe, len(here))
    fitting: dict[str, Tensor] = {}
    new = []
    new_rows: dict[str, list[int]] = {}
    for name, tensor in own.items():
        other = given.get(name)
        if other is not None and other.ndim == 4 and other.shape[2] + 1 == tensor.shape[2]:
            other = average_kernel(other)
        if other is not None and name in by_class and parent.taxonomy is not None:
            prior = _prior(parent, recipe)
            shares = _shares(parent, rows, prior)
            new_rows[name] = _new_rows(rows, by_class[name])
            other = _with_rows(
                *(tensor, other, by_class[name], parent.taxonomy),
                *(rows, prior, shares, name.endswith("bias")),
            )
        if other is None or other.shape != tensor.shape:
            new.append(name)
        else:
            fitting[name] = other
    if not fitting:
        raise KaryoscopeError(f"no weight of {recipe.start} fits the recipe's network")
    network.load_state_dict(fitting, strict=False)
    taken = ParentWeights(fitting, {name: new_rows.get(name, []) for name in fitting})
    start = Start(parent, len(fitting), new, rows, taken)
    _log.info("%s", start)
    return start


def matched_classes(parent: Taxonomy, own: Taxonomy) -> dict[str, list[str]]:
    """By class of the second class set, the classes of the first that stand for it.

    Parameters
    ----------
    parent, own : Taxonomy

    Returns
    -------
    dict of str to list of str
        The class of the same name; else the classes that are merged into it, or into which it is
        merged, or which it may be; empty where nothing says.

    Examples
    --------
    >>> found = matched_classes(Taxonomy.load("lizard"), Taxonomy.load("consep4"))
    >>> found["epithelial"], found["spindle"], found["other"]
    (['epithelial'], ['connective'], [])
    """
    same = {name.casefold(): name for name in parent.names}
    into = parent.merges.get(own.name, {})
    found: dict[str, list[str]] = {}
    for name in own.names:
        equal = same.get(name.casefold())
        merged = [
            there for there in parent.names if into.get(there, "").casefold() == name.casefold()
        ]
        up = own.merges.get(parent.name, {}).get(name)
        may_be = own.may_be.get(parent.name, {}).get(name, [])
        if equal is not None:
            found[name] = [equal]
        elif merged:
            found[name] = merged
        elif up is not None:
            found[name] = [up]
        else:
            found[name] = [] if isinstance(may_be, str) else list(may_be)
    return found


def _class_tensors(recipe: Recipe, n_classes: int) -> dict[str, int]:
    """Rows that each class has in the tensors that have rows for every class, by name."""
    with torch.device("meta"):
        few, more = (
            build_network(recipe.network.name, n, **recipe.network.untrained).state_dict()
            for n in (n_classes, n_classes + 1)
        )
    return {
        name: len(more[name]) - len(tensor)
        for name, tensor in few.items()
        if tensor.shape != more[name].shape and tensor.shape[1:] == more[name].shape[1:]
    }


def _new_rows(rows: Mapping[str, list[str]], each: int) -> list[int]:
    """Rows of the classes that nothing of the parent stands for, of a tensor of the class heads."""
    fresh = [place for place, sources in enumerate(rows.values(), start=1) if not sources]
    return [row for place in fresh for row in range(each * place, each * (place + 1))]


def _prior(parent: Parent, recipe: Recipe) -> dict[str, float]:
    """Weights of the parent's classes, their mean 1; alike where the recipe keeps them itself."""
    assert parent.taxonomy is not None
    names = parent.taxonomy.names
    tuned = parent.keys.get("postprocessing", {}).get("class_weights", {})
    if "class_weights" in recipe.postprocessing.options:
        tuned = {}
    # A class that is never chosen is all but impossible, not minus infinity.
    weights = {name: max(float(tuned.get(name, 1.0)), 1e-3) for name in names}
    mean = sum(weights.values()) / len(weights)
    return {name: weight / mean for name, weight in weights.items()}


def _shares(
    parent: Parent, rows: Mapping[str, list[str]], prior: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """By class, the share of each of the parent's classes that make it up; their sum is 1."""
    found = {}
    for name, sources in rows.items():
        # Where the card counts no nuclei of them, the parts are taken to be equally frequent.
        counted = sum(parent.nuclei.get(source, 0) for source in sources) > 0
        parts = {
            # A class of which there was none is rare, not impossible.
            source: prior[source] * (max(parent.nuclei.get(source, 0), 1) if counted else 1)
            for source in sources
        }
        total = sum(parts.values())
        found[name] = {source: part / total for source, part in parts.items()}
    return found


def _with_rows(
    own: Tensor,
    given: Tensor,
    each: int,
    parent: Taxonomy,
    rows: Mapping[str, list[str]],
    prior: Mapping[str, float],
    shares: Mapping[str, Mapping[str, float]],
    is_bias: bool,
) -> Tensor | None:
    """A tensor of the class heads with the parent's rows; None where they are laid out otherwise.

    The first rows are the background's, then come those of each class, in the order of the ids;
    a head may have others after them, such as contours.
    """
    end_here, end_there = each * (1 + len(rows)), each * (1 + len(parent))
    if own.shape[1:] != given.shape[1:] or len(own) - end_here != len(given) - end_there:
        return None
    found = own.clone()
    found[:each], found[end_here:] = given[:each], given[end_there:]
    for place, name in enumerate(rows, start=1):
        parts = shares[name]
        if not parts:
            continue
        here = slice(each * place, each * (place + 1))
        found[here] = 0.0
        for source, share in parts.items():
            k = 1 + parent.ids.index(parent.id_of(source))
            found[here] += share * given[each * k : each * (k + 1)]
            if is_bias:
                found[here] += share * math.log(prior[source] / share)
    return found
