"""The published U-Net and networks derived from it: baselines of the HoVer-Net and Qu papers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from karyoscope.networks.blocks import ConvNormAct, initialise
from karyoscope.networks.decoder import UNetDecoder
from karyoscope.networks.outputs import output_channels


class ConvPyramid(nn.Module):
    """Two 3x3 convolutions a level, max-pooling between levels."""

    def __init__(self, channels: Sequence[int], in_channels: int = 3) -> None:
        super().__init__()
        self.channels = list(channels)
        self.strides = [2**k for k in range(len(channels))]
        inputs = [in_channels, *channels[:-1]]
        self.levels = nn.ModuleList(
            nn.Sequential(ConvNormAct(below, out), ConvNormAct(out, out))
            for below, out in zip(inputs, channels, strict=True)
        )
        self.pool = nn.MaxPool2d(2)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Feature maps, finest first, at strides 1, 2, 4, ..."""
        features = [self.levels[0](image)]
        for level in self.levels[1:]:
            features.append(level(self.pool(features[-1])))
        return features


class PlainUNet(nn.Module):
    """U-Net (Ronneberger et al., MICCAI 2015), padded and with batch normalisation.

    Parameters
    ----------
    n_classes : int
        Classes of nuclei, without background.
    outputs : sequence of str
        Maps to predict, each by a 1x1 convolution.
    channels : sequence of int
        Channels of each level, finest first.
    in_channels : int
    """

    auxiliary: tuple[str, ...] = ()

    def __init__(
        self,
        n_classes: int,
        outputs: Sequence[str] = ("inner_contour",),
        channels: Sequence[int] = (64, 128, 256, 512, 1024),
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.outputs = tuple(outputs)
        self.encoder = ConvPyramid(channels, in_channels)
        self.decoder = UNetDecoder(channels, channels[-2::-1])
        self.heads = nn.ModuleDict(
            {
                name: nn.Conv2d(channels[0], out_channels, 1)
                for name, out_channels in output_channels(self.outputs, n_classes).items()
            }
        )
        initialise(self)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Map a normalised image (b, c, h, w), edges multiples of the last stride, to outputs."""
        features = self.decoder(self.encoder(image))
        return {name: head(features) for name, head in self.heads.items()}


#: DIST (Naylor et al., IEEE TMI 2019): a U-Net that regresses the distance to the nucleus's edge.
#: The classes come from a further 1x1 convolution, as hovernet adds one to compare (section V.D).
DIST = partial(PlainUNet, outputs=("distance", "types"))
