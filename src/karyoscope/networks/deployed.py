"""A network for inference: 8-bit pixels in, named maps out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from karyoscope.networks.blocks import crop
from karyoscope.targets.three_label_map import CENTRE_UNIT

Maps = dict[str, Tensor]


def _three_label(logits: Tensor) -> Maps:
    probability = logits.float().softmax(1)
    return {"inside": probability[:, 1], "boundary": probability[:, 2]}


def _centre(vectors: Tensor) -> Maps:
    return {"centre": vectors.float().permute(0, 2, 3, 1) * CENTRE_UNIT}


def _types(logits: Tensor) -> Maps:
    return {"tp": logits.float().softmax(1).permute(0, 2, 3, 1)}


def _np(logits: Tensor) -> Maps:
    return {"np": logits.float().softmax(1)[:, 1]}


def _hv(distances: Tensor) -> Maps:
    return {"hv": distances.float().permute(0, 2, 3, 1)}


def _inner_contour(logits: Tensor) -> Maps:
    probability = logits.float().softmax(1)
    return {"tp": probability[:, :-1].permute(0, 2, 3, 1), "contour": probability[:, -1]}


def _distance(distance: Tensor) -> Maps:
    # A cast at the very end would be taken out of the graph, and the name of the map with it.
    return {"distance": distance.float()[:, 0]}


#: Raw output of a network -> standard maps, channels last.
ACTIVATIONS: dict[str, Callable[[Tensor], Maps]] = {
    "three_label": _three_label,
    "centre": _centre,
    "types": _types,
    "np": _np,
    "hv": _hv,
    "inner_contour": _inner_contour,
    "distance": _distance,
}


class Deployed(nn.Module):
    """Normalise, run, turn raw outputs into the maps that post-processing reads.

    A network of valid convolutions is given the image with its edges repeated outwards, so that
    its maps cover the image like any other's.

    Parameters
    ----------
    network : nn.Module
        Normalised image -> raw outputs.
    mean, std : sequence of 3 floats
        Mean and standard deviation of each channel, of values from 0 to 1.
    outputs : sequence of str
        Raw outputs to keep; the others are not computed.
    """

    def __init__(
        self,
        network: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        outputs: Sequence[str],
    ) -> None:
        super().__init__()
        self.network = network
        self.outputs = list(outputs)
        self.context: int = getattr(network, "context", 0)
        self.margin: int = getattr(network, "margin", 0)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", 255 * torch.tensor(mean)[:, None, None])
        self.register_buffer("std", 255 * torch.tensor(std)[:, None, None])

    def forward(self, images: Tensor) -> Maps:
        """Maps of (n, h, w, 3) uint8 RGB images."""
        x = (images.permute(0, 3, 1, 2).float() - self.mean) / self.std
        if self.context:
            x = F.pad(x, [self.context] * 4, mode="replicate")
        raw = self.network(x)
        maps: Maps = {}
        for name in self.outputs:
            maps |= ACTIVATIONS[name](crop(raw[name], self.context - self.margin))
        if {"hv", "tp"} <= maps.keys() and "np" not in maps:
            # Without a branch for them, nuclear pixels are those of any class (hovernet, Table A3).
            maps["np"] = 1 - maps["tp"][..., 0]
        return maps

    @torch.no_grad()
    def strides(self, multiple_of: int = 32) -> dict[str, int]:
        """Maps by name, and how many pixels one of their values spans along each axis."""
        edge = 2 * multiple_of
        device = self.mean.device
        maps = self(torch.zeros(1, edge, edge, 3, dtype=torch.uint8, device=device))
        return {name: edge // values.shape[1] for name, values in maps.items()}
