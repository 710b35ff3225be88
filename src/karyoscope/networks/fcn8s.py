"""FCN-8s (Long et al., CVPR 2015): baseline of hovernet and qu."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional as F

from karyoscope.networks.encoder import Encoder
from karyoscope.networks.outputs import output_channels


class FCN8s(nn.Module):
    """VGG16 made convolutional; scores at strides 32, 16 and 8 are added on the way up.

    Up-sampling is bilinear, which is how the paper's transposed convolutions start.

    Parameters
    ----------
    n_classes : int
        Classes of nuclei, without background.
    outputs : sequence of str
        Maps to predict.
    encoder : str
        A timm model with feature maps at strides 8, 16 and 32.
    pretrained : bool or path
        See :class:`~karyoscope.networks.encoder.Encoder`.
    hidden : int
        Channels of the two layers that stand for VGG16's fully connected ones.
    in_channels : int
    """

    auxiliary: tuple[str, ...] = ()

    def __init__(
        self,
        n_classes: int,
        outputs: Sequence[str] = ("inner_contour",),
        encoder: str = "vgg16",
        pretrained: bool | str | Path = False,
        hidden: int = 4096,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.outputs = tuple(outputs)
        self.channels = output_channels(self.outputs, n_classes)
        total = sum(self.channels.values())
        self.encoder = Encoder(encoder, pretrained, in_channels)
        *_, eighth, sixteenth, last = self.encoder.channels
        self.fully = nn.Sequential(
            nn.Conv2d(last, hidden, 7, padding=3),
            nn.ReLU(inplace=True),
            nn.Dropout2d(0.5),
            nn.Conv2d(hidden, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Dropout2d(0.5),
        )
        self.scores = nn.ModuleList(nn.Conv2d(c, total, 1) for c in (hidden, sixteenth, eighth))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Map a normalised image (b, c, h, w), h and w multiples of 32, to raw outputs."""
        *_, eighth, sixteenth, last = self.encoder(image)
        x = self.scores[0](self.fully(last))
        for score, feature in zip(self.scores[1:], (sixteenth, eighth), strict=True):
            x = _larger(x, 2) + score(feature)
        parts = _larger(x, 8).split(list(self.channels.values()), 1)
        return dict(zip(self.channels, parts, strict=True))


def _larger(x: Tensor, times: float) -> Tensor:
    return F.interpolate(x, scale_factor=times, mode="bilinear", align_corners=False)
