"""Small building blocks that several networks share."""

from __future__ import annotations

from torch import Tensor, nn


class ConvNormAct(nn.Sequential):
    """3x3 convolution, batch normalisation, ReLU; keeps height and width."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class NormAct(nn.Sequential):
    """Batch normalisation, ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


def initialise(*modules: nn.Module) -> None:
    """Draw the weights of convolutions for ReLU networks (He et al. 2015), in place."""
    for module in modules:
        for child in module.modules():
            if isinstance(child, nn.Conv2d):
                nn.init.kaiming_normal_(child.weight, mode="fan_out", nonlinearity="relu")
                if child.bias is not None:
                    nn.init.zeros_(child.bias)


def crop(x: Tensor, margin: int) -> Tensor:
    """Take ``margin`` pixels off each side."""
    return x[..., margin:-margin, margin:-margin] if margin else x
