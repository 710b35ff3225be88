"""Heads: from a decoder's features to one output map."""

from __future__ import annotations

from torch import Tensor, nn

from karyoscope.networks.blocks import ConvNormAct


class PixelShuffleHead(nn.Sequential):
    """Predict a map at ``scale`` times the resolution of the features.

    One 3x3 convolution gives ``scale**2`` values for every output channel, which are laid out as
    sub-pixels (Shi et al., CVPR 2016). It keeps the edges that a coarse decoder would lose, for
    a small part of the cost of a decoder level at full resolution.
    """

    def __init__(self, in_channels: int, out_channels: int, scale: int = 2) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels * scale**2, 3, padding=1), nn.PixelShuffle(scale)
        )


class ConvHead(nn.Sequential):
    """A 3x3 convolution block and a 1x1 convolution, at the resolution of the features."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            ConvNormAct(in_channels, in_channels), nn.Conv2d(in_channels, out_channels, 1)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (b, c, h, w) features to (b, out_channels, h, w)."""
        return super().forward(features)
