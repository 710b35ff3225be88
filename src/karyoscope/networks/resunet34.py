"""U-Net over ResNet34 (qu, section 2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from karyoscope.networks.decoder import UNetDecoder
from karyoscope.networks.encoder import Encoder
from karyoscope.networks.outputs import output_channels


class ResUNet34(nn.Module):
    """Background, the inner part of each class, and one contour map, by one softmax.

    Four decoder levels, and a transposed convolution to the resolution of the image. Channels and
    dropout, which the paper leaves open, are those of the authors' code.

    Parameters
    ----------
    n_classes : int
        Classes of nuclei, without background: three in the paper, hence its five maps.
    encoder : str
        A timm model with feature maps at strides 2 to 32.
    pretrained : bool or path
        See :class:`~karyoscope.networks.encoder.Encoder`.
    channels : sequence of int
        Channels of each decoder level, coarsest first.
    dropout : float
        After each decoder level.
    in_channels : int
    """

    outputs = ("inner_contour",)
    auxiliary: tuple[str, ...] = ()

    def __init__(
        self,
        n_classes: int,
        encoder: str = "resnet34",
        pretrained: bool | str | Path = False,
        channels: Sequence[int] = (256, 128, 64, 64),
        dropout: float = 0.1,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        maps = output_channels(self.outputs, n_classes)["inner_contour"]
        self.encoder = Encoder(encoder, pretrained, in_channels)
        self.decoder = UNetDecoder(self.encoder.channels, channels, dropout)
        self.head = nn.ConvTranspose2d(channels[-1], maps, 2, stride=2)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Map a normalised image (b, c, h, w), h and w multiples of 32, to raw outputs.

        Returns
        -------
        dict
            ``inner_contour`` (b, n_classes + 2, h, w): logits of background, the inner parts,
            contour.
        """
        return {"inner_contour": self.head(self.decoder(self.encoder(image)))}
