"""RestainNet: colours for a grey image (Zhao et al. 2022; smile, section II.B)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from karyoscope.networks.blocks import initialise
from karyoscope.networks.decoder import UNetDecoder
from karyoscope.networks.plain_unet import ConvPyramid

_LUMA = (0.299, 0.587, 0.114)
#: Where the logarithm of a grey level's odds would be too large to learn from.
_EXTREME = 0.02


def grey_of(rgb: Tensor) -> Tensor:
    """Take the stain out: luma of images (b, 3, h, w), as (b, 1, h, w)."""
    red, green, blue = rgb.split(1, 1)
    return _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue


class RestainNet(nn.Module):
    r"""A U-Net that stains a grey image as those that it learned from are stained.

    .. math:: \hat x = \sigma(\operatorname{logit}(g) + f(g)), \qquad g = \text{luma of } x

    so that it begins at the grey image itself. Neither paper gives the layers. These are few and
    normalised by batch, not by image: a colour depends on the pixels within :attr:`context` and
    on nothing else, so an image may be cut into windows.

    Parameters
    ----------
    width : int
        Channels of the finest level; each coarser one has twice as many.
    levels : int

    Attributes
    ----------
    multiple_of : int
        Height and width must be multiples of this.
    context : int
        No pixel of the input that is further away matters.
    """

    def __init__(self, width: int = 16, levels: int = 3) -> None:
        super().__init__()
        channels = [width << level for level in range(levels)]
        self.encoder = ConvPyramid(channels, in_channels=1)
        self.decoder = UNetDecoder(channels, channels[-2::-1])
        self.head = nn.Conv2d(width, 3, 1)
        initialise(self)
        nn.init.zeros_(self.head.weight)
        self.multiple_of = 2 ** (levels - 1)
        # Two convolutions down and two up at each level, the coarsest once, and the poolings.
        reach = 5 * (self.multiple_of - 1) + 2 * self.multiple_of
        self.context = -(-reach // self.multiple_of) * self.multiple_of

    def forward(self, grey: Tensor) -> Tensor:
        """Colours (b, 3, h, w) of grey images (b, 1, h, w), both 0 to 1."""
        start = torch.logit(grey, _EXTREME)
        return torch.sigmoid(start + self.head(self.decoder(self.encoder(grey - 0.5))))


class Restained(nn.Module):
    """RestainNet for inference: 8-bit pixels in, normalised colours from 0 to 1 out.

    Parameters
    ----------
    network : RestainNet
    """

    def __init__(self, network: RestainNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """``rgb``, (n, h, w, 3), 0 to 1, for (n, h, w, 3) uint8 images."""
        grey = grey_of(images.permute(0, 3, 1, 2).float() / 255)
        return {"rgb": self.network(grey).permute(0, 2, 3, 1)}

    def strides(self) -> dict[str, int]:
        """Maps by name, and how many pixels one of their values spans."""
        return {"rgb": 1}
