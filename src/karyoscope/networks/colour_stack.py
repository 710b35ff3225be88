"""More colour channels than RGB in front of any network (mbzuai, section II.B)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def six_colours(rgb: Tensor) -> Tensor:
    r"""RGB, saturation, and the red and blue chrominances.

    .. math::

        S = \frac{\max - \min}{\max}, \quad
        Y = 0.299 R + 0.587 G + 0.114 B, \quad
        C_r = 0.713 (R - Y) + \tfrac12, \quad
        C_b = 0.564 (B - Y) + \tfrac12

    The saturation of black is 0. These are the conversions of OpenCV.

    Parameters
    ----------
    rgb : Tensor, shape (b, 3, h, w)
        Images with values from 0 to 1.

    Returns
    -------
    Tensor, shape (b, 6, h, w)
        R, G, B, S, Cr, Cb, from 0 to 1.
    """
    red, green, blue = rgb.unbind(1)
    highest, lowest = rgb.amax(1), rgb.amin(1)
    saturation = (highest - lowest) / highest.clamp(min=1e-6)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    chrominances = (0.713 * (red - luma) + 0.5, 0.564 * (blue - luma) + 0.5)
    return torch.stack([red, green, blue, saturation, *chrominances], 1)


class WithSixColours(nn.Module):
    """A network whose input is six colour channels computed from an RGB image.

    The image comes in from 0 to 1: recipes set ``mean: [0, 0, 0]`` and ``std: [1, 1, 1]``. The six
    channels are brought to about -2 to 2.

    Parameters
    ----------
    network : nn.Module
        A network with six input channels.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.outputs, self.auxiliary = network.outputs, network.auxiliary
        self.margin, self.context = getattr(network, "margin", 0), getattr(network, "context", 0)

    @property
    def encoder(self) -> nn.Module:
        """The network's encoder."""
        return self.network.get_submodule("encoder")

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Raw outputs for images (b, 3, h, w), 0 to 1."""
        return self.network((six_colours(image) - 0.5) / 0.25)
