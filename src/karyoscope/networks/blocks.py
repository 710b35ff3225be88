"""Small building blocks that several networks share."""

from __future__ import annotations

from torch import nn


class ConvNormAct(nn.Sequential):
    """3x3 convolution, batch normalisation, ReLU; keeps height and width."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )
