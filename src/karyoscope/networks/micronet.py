"""Micro-Net (Raza et al., Medical Image Analysis 2019): baseline of hovernet."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from karyoscope.networks.outputs import output_channels


def _two_convolutions(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1),
        nn.Tanh(),
        nn.BatchNorm2d(out_channels),
        nn.Conv2d(out_channels, out_channels, 3, padding=1),
        nn.Tanh(),
    )


class _Down(nn.Module):
    """Half the size, and join what the image at that size shows by itself."""

    def __init__(self, below: int, in_channels: int, channels: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(_two_convolutions(below, channels), nn.MaxPool2d(2))
        self.beside = _two_convolutions(in_channels, channels)

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        return torch.cat([self.convolutions(x), self.beside(image)], 1)


class _Up(nn.Module):
    """Double the size and join the skip, each through a transposed convolution."""

    def __init__(self, below: int, channels: int) -> None:
        super().__init__()
        self.doubled = nn.Sequential(
            nn.ConvTranspose2d(below, channels, 2, stride=2),
            _two_convolutions(channels, channels),
            nn.ConvTranspose2d(channels, channels, 5, padding=2),
        )
        self.skip = nn.ConvTranspose2d(channels, channels, 5, padding=2)
        self.join = nn.Sequential(nn.Conv2d(2 * channels, channels, 1), nn.Tanh())

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.join(torch.cat([self.doubled(x), self.skip(skip)], 1))


class MicroNet(nn.Module):
    """MicroNet: reads the image at five sizes, and predicts from features of three sizes.

    Convolutions are padded here, so that outputs have the size of the image, and the bottom level
    is pooled, which the paper has shrink by its valid convolutions. The paper also trains each of
    the three sizes on its own by a loss that fades; those outputs are left out.

    Parameters
    ----------
    n_classes : int
        Classes of nuclei, without background.
    outputs : sequence of str
        Maps to predict.
    width : int
        Channels of the first level, doubled at each further one; 64 in the paper.
    in_channels : int
    """

    auxiliary: tuple[str, ...] = ()

    def __init__(
        self,
        n_classes: int,
        outputs: Sequence[str] = ("inner_contour",),
        width: int = 64,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.outputs = tuple(outputs)
        self.channels = output_channels(self.outputs, n_classes)
        # Channels after joining, at strides 2, 4, 8 and 16.
        joined = [width * 2**k for k in range(1, 5)]
        self.encoder = nn.ModuleList(
            _Down(below, in_channels, out // 2)
            for below, out in zip([in_channels, *joined[:-1]], joined, strict=True)
        )
        self.bottom = nn.Sequential(nn.MaxPool2d(2), _two_convolutions(joined[-1], 2 * joined[-1]))
        self.up = nn.ModuleList(_Up(2 * channels, channels) for channels in joined[::-1])
        finest = [channels // 2 for channels in joined[:3]]
        self.full_size = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose2d(2 * c, c, 2**k, stride=2**k),
                nn.Conv2d(c, c, 3, padding=1),
                nn.Tanh(),
            )
            for k, c in enumerate(finest, 1)
        )
        self.head = nn.Sequential(
            nn.Dropout2d(0.5), nn.Conv2d(sum(finest), sum(self.channels.values()), 3, padding=1)
        )

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Map a normalised image (b, c, h, w), h and w multiples of 32, to raw outputs."""
        x, skips = image, []
        for k, level in enumerate(self.encoder):
            smaller = F.avg_pool2d(image, 2 ** (k + 1))
            x = level(x, smaller)
            skips.append(x)
        x, features = self.bottom(x), []
        for level, skip in zip(self.up, skips[::-1], strict=True):
            x = level(x, skip)
            features.append(x)
        full = [up(f) for up, f in zip(self.full_size, features[:0:-1], strict=True)]
        parts = self.head(torch.cat(full, 1)).split(list(self.channels.values()), 1)
        return dict(zip(self.channels, parts, strict=True))
