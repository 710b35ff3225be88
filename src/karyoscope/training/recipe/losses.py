"""Default losses for a network without a recipe, by its outputs."""

from __future__ import annotations

from typing import Any

import torch

from karyoscope.core.errors import KaryoscopeError
from karyoscope.networks import build_network

#: Losses by the output of a network that they teach; labels may be of several classes.
_OF_OUTPUT: dict[str, list[dict[str, Any]]] = {
    "three_label": [{"name": "three_label", "weight": 1.0, "class_weights": [1.0, 1.0, 1.5]}],
    "centre": [{"name": "centre", "weight": 0.5}],
    "types": [{"name": "partial_types", "weight": 0.5}],
    "np": [{"name": "np_cross_entropy", "weight": 1.0}, {"name": "np_dice", "weight": 1.0}],
    "hv": [{"name": "hv", "weight": 1.0}, {"name": "hv_gradient", "weight": 2.0}],
    "distance": [{"name": "distance", "weight": 1.0}],
    "inner_contour": [{"name": "inner_contour", "weight": 1.0}],
}

#: Losses that learn from images whose nuclei are points, as in the recipe finetune-points.
_OF_POINTS: dict[str, list[dict[str, Any]]] = {
    "three_label": [{"name": "point_three_label", "weight": 0.5}],
    "np": [{"name": "point_np", "weight": 0.5}],
    "types": [{"name": "point_types", "weight": 0.5}],
}


def losses_of(network: dict[str, Any], n_classes: int) -> list[dict[str, Any]]:
    """Losses that teach all outputs of a network.

    Parameters
    ----------
    network : dict
        Its ``name`` and options.
    n_classes : int
        Classes of nuclei, without background.

    Returns
    -------
    list of dict
        Losses as a recipe lists them.

    Raises
    ------
    KaryoscopeError
        If no loss is known for an output.
    """
    outputs = _outputs(network, n_classes)
    unknown = [name for name in outputs if name not in _OF_OUTPUT]
    if unknown:
        raise KaryoscopeError(
            f"no loss is known for output {unknown[0]!r} of network {network['name']!r}; give"
            " losses in a recipe"
        )
    return [dict(loss) for name in outputs for loss in _OF_OUTPUT[name]]


def point_losses_of(network: dict[str, Any], n_classes: int) -> list[dict[str, Any]]:
    """Losses that teach the outputs of a network from points.

    Parameters
    ----------
    network : dict
        Its ``name`` and options.
    n_classes : int
        Classes of nuclei, without background.

    Returns
    -------
    list of dict
        Losses as a recipe lists them.

    Raises
    ------
    KaryoscopeError
        If points teach none of its outputs.
    """
    outputs = _outputs(network, n_classes)
    found = [dict(loss) for name in outputs for loss in _OF_POINTS.get(name, [])]
    if not found:
        raise KaryoscopeError(
            f"network {network['name']!r} has no output that points teach:"
            f" {', '.join(_OF_POINTS)}; its are {', '.join(outputs)}"
        )
    return found


def _outputs(network: dict[str, Any], n_classes: int) -> tuple[str, ...]:
    options = {key: value for key, value in network.items() if key != "name"}
    with torch.device("meta"):
        return tuple(build_network(network["name"], n_classes, **options).outputs)
