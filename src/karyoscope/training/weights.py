"""Weights of a recipe's network: read from files of many kinds, and written."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, load_file, save_file
from torch import Tensor, nn

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import writing
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.networks import build_network
from karyoscope.networks.base import deployed_outputs
from karyoscope.networks.deployed import Deployed
from karyoscope.training.recipe.reading import Recipe

_WEIGHTS = "weights.safetensors"
#: Tensors with fewer values are kept in float32: they weigh nothing.
_SMALL = 1024
_SHARE = "keep_parent"


def load_network(recipe: Recipe, checkpoint: Path) -> Any:
    """Build the recipe's network with the weights of a checkpoint (the averaged ones, if any).

    Parameters
    ----------
    recipe : Recipe
        Recipe of the training.
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
    """Return a recipe's network from pixels to maps, without auxiliary outputs."""
    return Deployed(network, recipe.mean, recipe.std, deployed_outputs(network)).eval()


def read_weights(path: Path) -> dict[str, Tensor]:
    """Weights of a network by name, in float32.

    Parameters
    ----------
    path : path
        A checkpoint of Lightning, a ``.safetensors`` file, a bundle (folder or zip file), or the
        folder of a run, of which ``weights.safetensors`` counts, or else ``last.ckpt``.

    Raises
    ------
    KaryoscopeError
        If there is no such file, or it is none of these.
    """
    if path.suffix == ".zip" and path.is_file():
        # Imported late: a machine that trains on a packed set may lack what inference needs.
        from karyoscope.inference.bundle import WEIGHTS, Bundle

        return _in_float32(load(Bundle(path).read(WEIGHTS)))
    if path.is_dir():
        names = (_WEIGHTS, "last.ckpt")
        path = next((path / name for name in names if (path / name).is_file()), path / _WEIGHTS)
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
    except (SafetensorError, RuntimeError, KeyError, EOFError, UnpicklingError) as error:
        raise KaryoscopeError(f"{path} holds no weights of a network") from error
    return _in_float32(found)


def _in_float32(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k: v.float() if v.is_floating_point() else v for k, v in weights.items()}


def step_of(path: Path) -> int | None:
    """Step of a run at which a checkpoint or a file of weights was written; None if unknown."""
    if path.suffix == ".safetensors":
        with safe_open(path, "pt") as file:
            step = (file.metadata() or {}).get("step", "")
        return int(step) if step.isdecimal() else None
    state = torch.load(path, map_location="cpu", weights_only=True)
    return int(state["global_step"]) if "global_step" in state else None


def bears_half(tensor: Tensor) -> bool:
    """Whether a tensor is stored in half precision: a large kernel within its range of values.

    Vectors are kept in float32, since variances of batch normalisation may lie anywhere.
    """
    large = tensor.is_floating_point() and tensor.ndim > 1 and tensor.numel() >= _SMALL
    return large and bool(tensor.half().isfinite().all())


def half_weights(network: nn.Module) -> dict[str, Tensor]:
    """Weights of a network as bundles hold them: large kernels in half precision."""
    state = network.state_dict().items()
    return {name: (t.half() if bears_half(t) else t).contiguous() for name, t in state}


def full_weights(network: nn.Module) -> dict[str, Tensor]:
    """Weights of a network in the precision that they have."""
    return {name: t.contiguous() for name, t in network.state_dict().items()}


def kept_share_of(path: Path) -> float | None:
    """Share of a parent's weights that a file of weights has been mixed with; None for none."""
    if path.suffix != ".safetensors" or not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            share = (file.metadata() or {}).get(_SHARE)
    except SafetensorError as error:
        raise KaryoscopeError(f"{path} holds no weights of a network") from error
    return None if share is None else float(share)


def write_weights(
    network: nn.Module, path: Path, step: int | None = None, kept: float | None = None
) -> None:
    """Write the weights of a network, large kernels in half precision, as ``.safetensors``.

    The step of the run, and the share of a parent's weights that they have been mixed with, go
    into the header of the file where they are given.
    """
    about = {} if step is None else {"step": str(step)}
    about |= {} if kept is None else {_SHARE: str(kept)}
    with writing(path) as partial:
        save_file({name: t.cpu() for name, t in half_weights(network).items()}, partial, about)
