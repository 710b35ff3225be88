"""Networks: a name -> a torch module. One file a network, one line here."""

from __future__ import annotations

from typing import Any

from torch import nn

from karyoscope.errors import KaryoscopeError
from karyoscope.networks.unet import SharedUNet

NETWORKS: dict[str, type[nn.Module]] = {
    "shared_unet": SharedUNet,
}


def build_network(name: str, n_classes: int, **options: Any) -> nn.Module:
    """Build a registered network for a number of nucleus classes."""
    if name not in NETWORKS:
        raise KaryoscopeError(f"no network {name!r}; there are {', '.join(sorted(NETWORKS))}")
    try:
        return NETWORKS[name](n_classes=n_classes, **options)
    except TypeError as error:
        raise KaryoscopeError(f"network {name!r}: {error}") from error
