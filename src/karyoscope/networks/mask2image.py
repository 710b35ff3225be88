"""From a layout of nuclei to an image: the generator and the discriminator of smile, section II.A.

The paper names a GAN that takes masks and refers to earlier work for the network. What is here
follows pix2pixHD (Wang et al. 2018), at a width that a CPU can train: an encoder and a decoder with
residual blocks between, and a discriminator that judges patches at two scales.

A layout does not say how strong the stain is, and an image that has to guess comes out in the mean
of all colours. So the generator also gets the mean and the standard deviation of each colour
channel (*style*): they scale every normalisation, as in AdaIN (Huang and Belongie 2017), and the
output has exactly them. It gets noise too, fine and coarse, which stands for all else that the
layout leaves open.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STYLE = 6
#: Channels of noise: half of them vary from pixel to pixel, half over 16 px.
NOISE = 4
_COARSE = 16


def layout_channels(n_classes: int) -> int:
    """Channels of a layout: each class, any nucleus, edges between instances."""
    return n_classes + 2


def draw_noise(shape: tuple[int, int, int], rng: torch.Generator) -> Tensor:
    """Noise for images of shape (b, h, w), on the device of the generator: (b, NOISE, h, w)."""
    b, h, w = shape
    half = NOISE // 2
    fine = torch.randn(b, half, h, w, generator=rng, device=rng.device)
    nodes = (b, half, h // _COARSE + 2, w // _COARSE + 2)
    coarse = torch.randn(nodes, generator=rng, device=rng.device)
    coarse = F.interpolate(coarse, scale_factor=_COARSE, mode="bilinear")[..., :h, :w]
    return torch.cat([fine, coarse], 1)


def convolution(
    in_channels: int, out_channels: int, stride: int = 1, bias: bool = True
) -> nn.Conv2d:
    """3x3 convolution that repeats the edge, where zeros would appear as a frame."""
    return nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=bias, padding_mode="replicate")


class StyledNorm(nn.Module):
    """Instance normalisation whose scale and shift follow from the style, then ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(channels)
        self.affine = nn.Linear(STYLE, 2 * channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Normalise (b, c, h, w)."""
        scale, shift = self.affine(style)[..., None, None].chunk(2, 1)
        return F.relu(self.norm(x) * (1 + scale) + shift)


class StyledConv(nn.Module):
    """3x3 convolution and :class:`StyledNorm`."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = convolution(in_channels, out_channels, stride, bias=False)
        self.norm = StyledNorm(out_channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(b, in, h, w) -> (b, out, h / stride, w / stride)."""
        return self.norm(self.conv(x), style)


class StyledBlock(nn.Module):
    """Residual block of two convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = StyledConv(channels, channels)
        self.second = convolution(channels, channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Map (b, c, h, w) to the same shape."""
        return x + self.second(self.first(x, style))


class Mask2Image(nn.Module):
    """Generator: layout, style and noise to an image.

    Parameters
    ----------
    n_classes : int
        Classes of nuclei, without background.
    width : int
        Channels at full resolution; doubled at each halving.
    halvings : int
        Edges of the image must be multiples of 2 to this power.
    blocks : int
        Residual blocks at the lowest resolution.
    """

    def __init__(self, n_classes: int, width: int = 32, halvings: int = 3, blocks: int = 4) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.multiple_of = 2**halvings
        widths = [width * 2**i for i in range(halvings + 1)]
        self.stem = StyledConv(layout_channels(n_classes) + NOISE, width)
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList([StyledConv(a, b, stride=2) for a, b in pairs])
        self.blocks = nn.ModuleList([StyledBlock(widths[-1]) for _ in range(blocks)])
        self.up = nn.ModuleList([StyledConv(b + a, a) for a, b in reversed(pairs)])
        self.head = nn.Sequential(convolution(width, 3, bias=False), nn.InstanceNorm2d(3))

    def forward(self, layout: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        """Generate images.

        Parameters
        ----------
        layout : Tensor, shape (b, n_classes + 2, h, w)
        style : Tensor, shape (b, 6)
            Mean, then standard deviation, of red, green and blue from -1 to 1.
        noise : Tensor, shape (b, NOISE, h, w)

        Returns
        -------
        Tensor, shape (b, 3, h, w)
            From -1 to 1.
        """
        x = self.stem(torch.cat([layout, noise], 1), style)
        levels = []
        for down in self.down:
            levels.append(x)
            x = down(x, style)
        for block in self.blocks:
            x = block(x, style)
        for up, level in zip(self.up, reversed(levels), strict=True):
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = up(torch.cat([x, level], 1), style)
        mean, deviation = style[..., None, None].chunk(2, 1)
        return (self.head(x) * deviation + mean).clamp(-1, 1)


class PatchDiscriminator(nn.Module):
    """Scores overlapping patches of an image, given its layout (Isola et al. 2017)."""

    def __init__(self, in_channels: int, width: int, halvings: int) -> None:
        super().__init__()
        stages = [nn.Sequential(nn.Conv2d(in_channels, width, 4, 2, 1), nn.LeakyReLU(0.2))]
        for i in range(1, halvings):
            a, b = width * 2 ** (i - 1), width * 2**i
            conv = nn.Conv2d(a, b, 4, 2, 1)
            stages.append(nn.Sequential(conv, nn.InstanceNorm2d(b), nn.LeakyReLU(0.2)))
        self.stages = nn.ModuleList(stages)
        self.score = nn.Conv2d(width * 2 ** (halvings - 1), 1, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Scores (b, 1, h', w'), and the features of each stage."""
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return self.score(x), features


class Discriminator(nn.Module):
    """Patch discriminators at full and at half resolution.

    Parameters
    ----------
    n_classes : int
        Classes of nuclei, without background.
    width : int
        Channels of the first stage; doubled at each halving.
    halvings : int
        Stages.
    scales : int
        Resolutions.
    """

    def __init__(self, n_classes: int, width: int = 32, halvings: int = 3, scales: int = 2) -> None:
        super().__init__()
        in_channels = layout_channels(n_classes) + 3
        self.scales = nn.ModuleList(
            [PatchDiscriminator(in_channels, width, halvings) for _ in range(scales)]
        )

    def forward(self, layout: Tensor, image: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Scores of each scale, and the features of all stages of all scales."""
        x = torch.cat([layout, image], 1)
        scores, features = [], []
        for scale in self.scales:
            score, found = scale(x)
            scores.append(score)
            features += found
            x = F.avg_pool2d(x, 2)
        return scores, features
