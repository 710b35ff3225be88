"""One encoder, a U-Net decoder for instances and one for classes (bern, section II.D)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from karyoscope.networks.decoder import UNetDecoder
from karyoscope.networks.encoder import Encoder
from karyoscope.networks.outputs import output_channels


class TwoDecoderUNet(nn.Module):
    """A timm encoder of five levels and two U-Net decoders of five levels.

    The instance decoder gives three labels and centre vectors, the other the classes; both reach
    the resolution of the image.

    Parameters
    ----------
    n_classes : int
        Classes of nuclei, without background.
    encoder : str
        A timm model with feature maps at strides 2 to 32: ``"tf_efficientnet_b5"``, ``_b7``,
        ``_l2`` in the paper.
    pretrained : bool or path
        See :class:`~karyoscope.networks.encoder.Encoder`.
    channels : sequence of int
        Channels of each decoder level, coarsest first. Not in the paper; these are customary.
    dropout : float
        After each decoder level.
    drop_path : float
        Stochastic depth of the encoder, 0.2 in EfficientNet's definition.
    in_channels : int
    """

    outputs = ("three_label", "centre", "types")
    auxiliary = ("centre",)

    def __init__(
        self,
        n_classes: int,
        encoder: str = "tf_efficientnet_b5",
        pretrained: bool | str | Path = False,
        channels: Sequence[int] = (256, 128, 64, 32, 16),
        dropout: float = 0.2,
        drop_path: float = 0.2,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(encoder, pretrained, in_channels, drop_path)
        self.instance_decoder = UNetDecoder(self.encoder.channels, channels, dropout)
        self.class_decoder = UNetDecoder(self.encoder.channels, channels, dropout)
        self.heads = nn.ModuleDict(
            {
                name: nn.Conv2d(channels[-1], out_channels, 3, padding=1)
                for name, out_channels in output_channels(self.outputs, n_classes).items()
            }
        )

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Map a normalised image (b, c, h, w), h and w multiples of 32, to raw outputs.

        Returns
        -------
        dict
            ``three_label`` (b, 3, h, w): logits of background, inside, boundary.
            ``centre`` (b, 2, h, w): dx, dy to the nucleus's centroid, in units of 8 px.
            ``types`` (b, n_classes + 1, h, w): logits, background first.
        """
        features = self.encoder(image)
        instances, classes = self.instance_decoder(features), self.class_decoder(features)
        return {
            name: head(classes if name == "types" else instances)
            for name, head in self.heads.items()
        }
