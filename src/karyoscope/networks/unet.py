"""A U-Net with one shared decoder and a head for each output: the networks that ship."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from karyoscope.networks.decoder import UNetDecoder
from karyoscope.networks.encoder import Encoder
from karyoscope.networks.heads import ConvHead, PixelShuffleHead


class SharedUNet(nn.Module):
    """Encoder, one decoder, a head for each output.

    Most of the time of such networks is that of the decoder, so all outputs share one. With four
    levels the decoder stops at stride 2, and pixel shuffle brings the outlines to full resolution;
    with five levels it ends at full resolution. Classes, which are summed over each nucleus, are
    predicted at stride 2 in both.

    Parameters
    ----------
    n_classes : int
        Classes of nuclei, without background.
    encoder : str
        A timm model whose finest feature map has stride 2.
    pretrained : bool or path
        See :class:`Encoder`.
    channels : sequence of int
        Decoder channels, coarsest first. Over a pyramid of strides 2 to 32, four entries stop at
        stride 2 and five end at full resolution.
    anti_aliased : bool
        See :class:`Encoder`.
    drop_path : float
        Stochastic depth of the encoder.
    dropout : float
        Channel dropout after each level of the decoder.
    centre : bool
        Whether to predict centre vectors, too, which are used only in training.

    Attributes
    ----------
    outputs : tuple of str
        Names of the outputs of :meth:`forward`.
    auxiliary : tuple of str
        Outputs that are used only in training and not computed at inference.
    """

    auxiliary = ("centre",)

    def __init__(
        self,
        n_classes: int,
        encoder: str = "tf_efficientnet_lite0",
        pretrained: bool | str | Path = False,
        channels: Sequence[int] = (128, 96, 64, 48),
        anti_aliased: bool = False,
        drop_path: float = 0.0,
        dropout: float = 0.0,
        centre: bool = True,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(encoder, pretrained, drop_path=drop_path, anti_aliased=anti_aliased)
        self.decoder = UNetDecoder(self.encoder.channels, channels, dropout)
        # Level of the decoder that has stride 2, or its last where it stops before.
        self._for_types = min(len(channels), len(self.encoder.channels) - 1) - 1
        scale = 1 if len(channels) == len(self.encoder.channels) else 2
        heads: dict[str, nn.Module] = {"three_label": PixelShuffleHead(channels[-1], 3, scale)}
        if centre:
            heads["centre"] = PixelShuffleHead(channels[-1], 2, scale)
        heads["types"] = ConvHead(channels[self._for_types], n_classes + 1)
        self.heads = nn.ModuleDict(heads)
        self.outputs = tuple(heads)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Map a normalised image (b, 3, h, w), h and w multiples of 32, to raw outputs.

        Returns
        -------
        dict
            ``three_label`` (b, 3, h, w): logits of background, inside, boundary.
            ``centre`` (b, 2, h, w): dx, dy to the nucleus's centroid, in units of 8 px.
            ``types`` (b, n_classes + 1, h/2, w/2): logits, background first.
        """
        maps = self.decoder.decoded(self.encoder(image))
        inputs = dict.fromkeys(self.heads, maps[-1]) | {"types": maps[self._for_types]}
        return {name: head(inputs[name]) for name, head in self.heads.items()}
