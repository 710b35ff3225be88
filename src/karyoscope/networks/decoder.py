"""The U-Net decoder (Ronneberger et al., MICCAI 2015) over any encoder's pyramid."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from karyoscope.core.errors import KaryoscopeError
from karyoscope.networks.blocks import ConvNormAct


class UNetDecoder(nn.Module):
    """U-Net decoder from the coarsest feature map to finer ones, with concatenated skips.

    Parameters
    ----------
    encoder_channels : sequence of int
        Channels of the pyramid, finest first.
    channels : sequence of int
        Output channels of each level, coarsest first. As many levels are climbed as there are
        entries: with a pyramid of strides 2-32, four entries end at stride 2, and a fifth adds a
        level at full resolution, which has no skip.
    dropout : float
        Channel dropout after each level.
    """

    def __init__(
        self, encoder_channels: Sequence[int], channels: Sequence[int], dropout: float = 0.0
    ) -> None:
        super().__init__()
        skips = [*reversed(encoder_channels[:-1]), 0]
        if len(channels) > len(skips):
            raise KaryoscopeError(
                f"a decoder over {len(encoder_channels)} feature maps has at most {len(skips)}"
                f" levels, got {len(channels)}"
            )
        inputs = [encoder_channels[-1], *channels[:-1]]
        self.levels = nn.ModuleList(
            nn.Sequential(
                ConvNormAct(below + skip, out),
                ConvNormAct(out, out),
                nn.Dropout2d(dropout) if dropout else nn.Identity(),
            )
            for below, skip, out in zip(inputs, skips, channels, strict=False)
        )

    def forward(self, features: list[Tensor]) -> Tensor:
        """Features (finest first, each (b, c, h, w)) to the finest decoded map."""
        return self.decoded(features)[-1]

    def decoded(self, features: list[Tensor]) -> list[Tensor]:
        """Features (finest first, each (b, c, h, w)) to the maps of all levels, finest last."""
        x, *skips = features[::-1]
        maps = []
        for i, level in enumerate(self.levels):
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = level(torch.cat([x, skips[i]], 1) if i < len(skips) else x)
            maps.append(x)
        return maps
