"""Weights of a recipe's network: from a checkpoint of its run, or to start from."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.networks import build_network
from karyoscope.networks.anti_alias import average_kernel
from karyoscope.networks.base import deployed_outputs
from karyoscope.networks.deployed import Deployed
from karyoscope.training.recipe import Recipe

_log = logging.getLogger(__name__)

#: Tensors with fewer values are kept in float32: they weigh nothing, and statistics of batch
#: normalisation may lie outside the range of half precision.
_SMALL = 1024


def load_network(recipe: Recipe, checkpoint: Path) -> Any:
    """Build the recipe's network with the weights of a checkpoint (the averaged ones, if any).

    Parameters
    ----------
    recipe : Recipe
    checkpoint : path
        A checkpoint of Lightning, or a ``.safetensors`` file of the network alone.

    Raises
    ------
    KaryoscopeError
        If the checkpoint is missing, damaged, or of another network.
    """
    n_classes = len(Taxonomy.load(recipe.taxonomy))
    network = build_network(recipe.network.name, n_classes, **recipe.network.untrained)
    try:
        network.load_state_dict(read_weights(checkpoint))
    except RuntimeError as error:
        raise KaryoscopeError(f"{checkpoint} does not fit its recipe's network") from error
    return network.eval()


def deployed(recipe: Recipe, network: Any) -> Deployed:
    """A recipe's network from pixels to maps, without auxiliary outputs."""
    return Deployed(network, recipe.mean, recipe.std, deployed_outputs(network)).eval()


def read_weights(path: Path) -> dict[str, Tensor]:
    """Weights of a network by name, in float32.

    Parameters
    ----------
    path : path
        A checkpoint of Lightning, a ``.safetensors`` file, or the folder of a bundle.

    Raises
    ------
    KaryoscopeError
        If there is no such file, or it is none of these.
    """
    if path.is_dir():
        path = path / "weights.safetensors"
    if not path.is_file():
        raise KaryoscopeError(f"weights {path} do not exist")
    try:
        if path.suffix == ".safetensors":
            found = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
            # Lightning saves the averaged weights as the state of the module when it averages.
            prefix = "network."
            found = {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
    except (SafetensorError, RuntimeError, KeyError, EOFError) as error:
        raise KaryoscopeError(f"{path} holds no weights of a network") from error
    return {k: v.float() if v.is_floating_point() else v for k, v in found.items()}


def half_weights(network: nn.Module) -> dict[str, Tensor]:
    """Weights of a network as bundles hold them: large tensors in half precision."""
    return {
        name: (t.half() if t.is_floating_point() and t.numel() >= _SMALL else t).contiguous()
        for name, t in network.state_dict().items()
    }


def write_weights(network: nn.Module, path: Path) -> None:
    """Write the weights of a network, large tensors in half precision, as ``.safetensors``."""
    save_file({name: t.cpu() for name, t in half_weights(network).items()}, path)


def start_from(network: nn.Module, path: Path) -> list[str]:
    """Load the weights of another model where they fit, in place.

    A kernel that is one pixel larger here than there takes the average of the other's over
    2 x 2 pixels, as :func:`~karyoscope.networks.anti_alias.anti_alias` does.

    Parameters
    ----------
    network : nn.Module
    path : path
        See :func:`read_weights`.

    Returns
    -------
    list of str
        Names of the tensors that keep the weights that they had.

    Raises
    ------
    KaryoscopeError
        If nothing fits.
    """
    given = read_weights(path)
    own = network.state_dict()
    fitting: dict[str, Tensor] = {}
    for name, tensor in own.items():
        other = given.get(name)
        if other is None:
            continue
        if other.ndim == 4 and other.shape[2] + 1 == tensor.shape[2]:
            other = average_kernel(other)
        if other.shape == tensor.shape:
            fitting[name] = other
    if not fitting:
        raise KaryoscopeError(f"no weight of {path} fits the recipe's network")
    network.load_state_dict(fitting, strict=False)
    new = sorted(own.keys() - fitting.keys())
    _log.info("%d of %d tensors from %s", len(fitting), len(own), path)
    return new
