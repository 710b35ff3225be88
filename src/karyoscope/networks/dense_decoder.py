"""The decoder of HoVer-Net: densely connected units and summed skips (section III.A, Fig. 2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from karyoscope.networks.blocks import NormAct, crop


class DenseUnit(nn.Module):
    """A 1x1 and a grouped k x k convolution whose result joins the input as further channels.

    Parameters
    ----------
    in_channels, middle, growth : int
        Channels of the input, between the convolutions, and of the result.
    kernel : int
        k.
    padding : int
        Padding of the k x k convolution; with 0 the input is cropped to its result.
    """

    groups = 4

    def __init__(
        self, in_channels: int, middle: int, growth: int, kernel: int, padding: int
    ) -> None:
        super().__init__()
        self.loss = kernel // 2 - padding
        self.convolutions = nn.Sequential(
            NormAct(in_channels),
            nn.Conv2d(in_channels, middle, 1, bias=False),
            NormAct(middle),
            nn.Conv2d(middle, growth, kernel, padding=padding, groups=self.groups, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, in_channels, h, w) to (b, in_channels + growth, h', w')."""
        return torch.cat([crop(x, self.loss), self.convolutions(x)], 1)


class DenseLevel(nn.Sequential):
    """A k x k convolution, dense units, a 1x1 convolution.

    Parameters
    ----------
    in_channels, out_channels, units : int
    middle, growth, kernel, padding : int
        See :class:`DenseUnit`.

    Attributes
    ----------
    loss : int
        Pixels lost on each side.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        units: int,
        middle: int,
        growth: int,
        kernel: int,
        padding: int,
    ) -> None:
        first = in_channels // 4
        joined = first + units * growth
        super().__init__(
            nn.Conv2d(in_channels, first, kernel, padding=padding, bias=False),
            *(DenseUnit(first + k * growth, middle, growth, kernel, padding) for k in range(units)),
            NormAct(joined),
            nn.Conv2d(joined, out_channels, 1, bias=False),
        )
        self.loss = (1 + units) * (kernel // 2 - padding)


class DenseDecoder(nn.Module):
    """From the features at strides 8, 4, 2, 1 to one output at the resolution of the image.

    Up-sampling is to the nearest, and skips are summed. The levels at strides 4 and 2 have 8 and
    4 dense units; the paper gives the two numbers the other way round, the authors' code like this.

    Parameters
    ----------
    channels : sequence of int
        Channels of the features, finest first; each level gives the next finer number.
    out_channels : int
    kernel : int
        k, of all convolutions but those of 1x1.
    padded : bool
        Whether convolutions keep the size; else the paper's valid convolutions, and the encoder's
        features are cropped.

    Attributes
    ----------
    margin : int
        Pixels lost on each side.
    """

    def __init__(
        self, channels: Sequence[int], out_channels: int, kernel: int, padded: bool
    ) -> None:
        super().__init__()
        finest, fine, coarse, _ = channels
        sizes = (coarse // 8, coarse // 32, kernel, kernel // 2 if padded else 0)
        at_stride_4 = DenseLevel(coarse, fine, 8, *sizes)
        at_stride_2 = DenseLevel(fine, finest, 4, *sizes)
        last = nn.Sequential(
            nn.Conv2d(finest, finest // 4, kernel, padding=kernel // 2, bias=False),
            NormAct(finest // 4),
            nn.Conv2d(finest // 4, out_channels, 1),
        )
        self.levels = nn.ModuleList([at_stride_4, at_stride_2, last])
        cropped = 2 * at_stride_4.loss
        self.margin = 2 * (cropped + at_stride_2.loss)
        self.crops = (0, cropped, self.margin)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Features (finest first, each (b, c, h, w)) to (b, out_channels, h', w')."""
        x, *skips = features[::-1]
        for level, skip, cropped in zip(self.levels, skips, self.crops, strict=True):
            x = level(F.interpolate(x, scale_factor=2.0, mode="nearest") + crop(skip, cropped))
        return x
