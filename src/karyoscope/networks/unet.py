"""A U-Net with one shared decoder and a head for each output: the network that ships."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from karyoscope.networks.decoder import UNetDecoder
from karyoscope.networks.encoder import Encoder
from karyoscope.networks.heads import ConvHead, PixelShuffleHead


class SharedUNet(nn.Module):
    """Encoder, one decoder that stops at stride 2, sub-pixel heads for the outlines.

    The decoder is the cost of such networks, not the encoder, so there is one and it stops
    early. The instance outputs are brought to full resolution by pixel shuffle; classes, which
    are summed over a nucleus anyway, stay at stride 2.

    Parameters
    ----------
    n_classes : int
        Classes of nuclei, without background.
    encoder : str
        A timm model whose finest feature map has stride 2.
    pretrained : bool or path
        See :class:`Encoder`.
    channels : sequence of int
        Decoder channels, coarsest first.

    Attributes
    ----------
    outputs : tuple of str
        Names of what :meth:`forward` returns.
    auxiliary : tuple of str
        Those that only help training; they are not run at inference.
    """

    outputs = ("three_label", "centre", "types")
    auxiliary = ("centre",)

    def __init__(
        self,
        n_classes: int,
        encoder: str = "tf_efficientnet_lite0",
        pretrained: bool | str | Path = False,
        channels: Sequence[int] = (128, 96, 64, 48),
    ) -> None:
        super().__init__()
        self.encoder = Encoder(encoder, pretrained)
        self.decoder = UNetDecoder(self.encoder.channels, channels)
        self.heads = nn.ModuleDict(
            {
                "three_label": PixelShuffleHead(channels[-1], 3),
                "centre": PixelShuffleHead(channels[-1], 2),
                "types": ConvHead(channels[-1], n_classes + 1),
            }
        )

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Map a normalised image (b, 3, h, w), h and w multiples of 32, to raw outputs.

        Returns
        -------
        dict
            ``three_label`` (b, 3, h, w): logits of background, inside, boundary.
            ``centre`` (b, 2, h, w): dx, dy to the nucleus's centroid, in units of 8 px.
            ``types`` (b, n_classes + 1, h/2, w/2): logits, background first.
        """
        features = self.decoder(self.encoder(image))
        return {name: head(features) for name, head in self.heads.items()}
