"""What every network offers."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn


class Network(Protocol):
    """A module that maps a normalised image to raw outputs by name.

    Attributes
    ----------
    encoder : nn.Module
        The part that may be pretrained; it may have a learning rate of its own.
    outputs : tuple of str
        Names of what :meth:`forward` returns.
    auxiliary : tuple of str
        Outputs that only help training and are not run at inference.
    """

    encoder: nn.Module
    outputs: tuple[str, ...]
    auxiliary: tuple[str, ...]

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Raw outputs of a normalised image (b, c, h, w)."""
        ...


def deployed_outputs(network: Network) -> list[str]:
    """Outputs that are run at inference."""
    return [name for name in network.outputs if name not in network.auxiliary]
