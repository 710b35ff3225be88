"""Pickles read as data: containers, arrays, and modules as the tensors in them; nothing is run."""

from __future__ import annotations

import collections
import io
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError


class Module:
    """Placeholder for a module of torch: holds its attributes without any function."""

    def __new__(cls, *_: Any, **__: Any) -> Module:
        """Ignore what the pickled class would have been made with."""
        return object.__new__(cls)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.state = state

    def tensors(self, prefix: str = "") -> Iterator[tuple[str, Any]]:
        """Names and values of parameters and buffers, as of ``state_dict``."""
        for kind in ("_parameters", "_buffers"):
            for name, value in (self.state.get(kind) or {}).items():
                if value is not None:
                    yield prefix + name, value
        for name, child in (self.state.get("_modules") or {}).items():
            if isinstance(child, Module):
                yield from child.tensors(f"{prefix}{name}.")


class _Unpickler(pickle.Unpickler):
    """Knows a few names, each inert, and refuses all others."""

    def find_class(self, module: str, name: str) -> Any:
        known = _known()
        if (module, name) in known:
            return known[module, name]
        if module.startswith(("torch.nn.modules.", "torchvision.models.")):
            return Module
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def _known() -> dict[tuple[str, str], Any]:
    # Imported late: it is slow, and only torch's own pickles need it.
    import torch

    def load_from_bytes(data: bytes) -> Any:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)

    reconstruct = np.zeros(0).__reduce__()[0]
    return {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("builtins", "set"): set,
        ("__builtin__", "set"): set,
        ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
        ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
        ("torch.storage", "_load_from_bytes"): load_from_bytes,
        ("numpy.core.multiarray", "_reconstruct"): reconstruct,
        ("numpy._core.multiarray", "_reconstruct"): reconstruct,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }


def read_pickle(data: bytes) -> Any:
    """Read a pickle of containers, arrays and modules.

    Raises
    ------
    KaryoscopeError
        If it holds anything else, or is damaged.
    """
    try:
        return _Unpickler(io.BytesIO(data)).load()
    except Exception as error:  # a damaged pickle may raise anything
        raise KaryoscopeError(f"weights are not read from a pickle: {error}") from error


def read_state(data: bytes) -> dict[str, Any]:
    """Read the tensors that ``torch.save`` wrote, by name.

    Raises
    ------
    KaryoscopeError
        If it holds anything but tensors.
    """
    import torch

    try:
        found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file may raise anything
        reason = str(error).splitlines()[0] if str(error) else "damaged"
        raise KaryoscopeError(f"weights are not read from a file of torch: {reason}") from error
    state = found.get("state_dict", found.get("desc", found))
    return {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
