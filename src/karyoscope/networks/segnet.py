"""SegNet (Badrinarayanan et al., TPAMI 2017): baseline of hovernet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from karyoscope.core.errors import KaryoscopeError
from karyoscope.networks.blocks import ConvNormAct, initialise
from karyoscope.networks.encoder import Encoder
from karyoscope.networks.outputs import output_channels
from karyoscope.networks.plain_unet import ConvPyramid


def places_of_maxima(features: Tensor) -> Tensor:
    """Which pixel of each 2 x 2 square has the largest value: one of four, the first of equals.

    Parameters
    ----------
    features : Tensor, shape (b, c, h, w)
        h and w even.

    Returns
    -------
    Tensor of bool, shape (b, c, 4, h / 2, w / 2)

    Examples
    --------
    >>> places_of_maxima(torch.tensor([[[[1.0, 2.0], [2.0, 0.0]]]])).flatten().tolist()
    [False, True, False, False]
    """
    fours = F.pixel_unshuffle(features, 2).unflatten(1, (features.shape[1], 4))
    number = torch.arange(4, device=features.device)[:, None, None]
    return fours.argmax(2, keepdim=True) == number


def max_unpool(pooled: Tensor, places: Tensor) -> Tensor:
    """Max-unpooling: each value at the place that its square's maximum had, 0 elsewhere.

    Parameters
    ----------
    pooled : Tensor, shape (b, c, h, w)
    places : Tensor of bool, shape (b, c, 4, h, w)
        As :func:`places_of_maxima` returns them.

    Returns
    -------
    Tensor, shape (b, c, 2 h, 2 w)
    """
    fours = pooled.unsqueeze(2) * places.to(pooled.dtype)
    return F.pixel_shuffle(fours.flatten(1, 2), 2)


class SegNet(nn.Module):
    """VGG16 and its mirror image, which unpools to the places that the encoder's maxima had.

    Parameters
    ----------
    n_classes : int
        Classes of nuclei, without background.
    outputs : sequence of str
        Maps to predict.
    encoder : str or None
        A VGG of timm, whose feature maps at strides 1 to 16 are those before each pooling; None
        for two convolutions a level with ``channels``.
    pretrained : bool or path
        See :class:`~karyoscope.networks.encoder.Encoder`.
    channels : sequence of int
        Channels of each level, finest first, without ``encoder``.
    convolutions : sequence of int
        Convolutions of each level of the decoder, finest first; by default those of VGG16.
    in_channels : int

    Raises
    ------
    KaryoscopeError
        If the encoder has no feature maps at strides 1, 2, 4, ...
    """

    auxiliary: tuple[str, ...] = ()

    def __init__(
        self,
        n_classes: int,
        outputs: Sequence[str] = ("inner_contour",),
        encoder: str | None = "vgg16",
        pretrained: bool | str | Path = False,
        channels: Sequence[int] = (64, 128, 256, 512, 512),
        convolutions: Sequence[int] = (2, 2, 3, 3, 3),
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.outputs = tuple(outputs)
        self.channels = output_channels(self.outputs, n_classes)
        self.encoder: Encoder | ConvPyramid
        if encoder is None:
            self.encoder = ConvPyramid(channels, in_channels)
        else:
            self.encoder = Encoder(encoder, pretrained, in_channels, levels=range(5))
        strides, found = self.encoder.strides, self.encoder.channels
        if strides != [2**k for k in range(len(strides))]:
            raise KaryoscopeError(
                f"network 'segnet': encoder {encoder!r} has feature maps at strides"
                f" {', '.join(map(str, strides))}, not before each pooling, as a VGG has"
            )
        if min(convolutions) < 1:
            raise KaryoscopeError("network 'segnet': convolutions are numbers from 1")
        if len(convolutions) < len(found):
            raise KaryoscopeError(
                f"network 'segnet': convolutions of {len(found)} levels are needed,"
                f" got {len(convolutions)}"
            )
        finer = [found[0], *found[:-1]]
        self.decoder = nn.ModuleList(
            nn.Sequential(
                *(ConvNormAct(here, here) for _ in range(number - 1)), ConvNormAct(here, out)
            )
            for here, out, number in zip(found, finer, convolutions, strict=False)
        )
        self.head = nn.Conv2d(found[0], sum(self.channels.values()), 3, padding=1)
        initialise(self.decoder, self.head)
        if encoder is None:
            initialise(self.encoder)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Map a normalised image (b, c, h, w), h and w multiples of 32, to raw outputs."""
        features = self.encoder(image)
        x = F.max_pool2d(features[-1], 2)
        for feature, level in zip(features[::-1], self.decoder[::-1], strict=True):
            x = level(max_unpool(x, places_of_maxima(feature)))
        parts = self.head(x).split(list(self.channels.values()), 1)
        return dict(zip(self.channels, parts, strict=True))
