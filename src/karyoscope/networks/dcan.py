"""DCAN (Chen et al., CVPR 2016): baseline of hovernet."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from karyoscope.networks.encoder import Encoder
from karyoscope.networks.outputs import output_channels


class _Branch(nn.Module):
    """Scores of three feature maps, each enlarged to the image, added."""

    def __init__(self, in_channels: list[int], out_channels: int) -> None:
        super().__init__()
        self.scores = nn.ModuleList(
            nn.Sequential(nn.Dropout2d(0.5), nn.Conv2d(c, out_channels, 1)) for c in in_channels
        )

    def forward(self, features: list[Tensor], size: list[int]) -> Tensor:
        enlarged = [
            F.interpolate(score(feature), size=size, mode="bilinear", align_corners=False)
            for score, feature in zip(self.scores, features, strict=True)
        ]
        return torch.stack(enlarged).sum(0)


class DCAN(nn.Module):
    """VGG16 with a branch for the nuclei and one for their contours, from three feature maps.

    Up-sampling is bilinear, which is how the paper's transposed convolutions start. The paper
    thresholds the two branches separately; here they are one softmax, so that the same
    post-processing takes the contour away from the nuclei. The paper also trains each of the
    three feature maps by a loss of its own, which fades; those outputs are left out.

    Parameters
    ----------
    n_classes : int
        Classes of nuclei, without background.
    encoder : str
        A timm model with feature maps at strides 8, 16 and 32.
    pretrained : bool or path
        See :class:`~karyoscope.networks.encoder.Encoder`.
    in_channels : int
    """

    auxiliary: tuple[str, ...] = ()
    outputs = ("inner_contour",)

    def __init__(
        self,
        n_classes: int,
        encoder: str = "vgg16",
        pretrained: bool | str | Path = False,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(encoder, pretrained, in_channels)
        channels = self.encoder.channels[-3:]
        total = output_channels(self.outputs, n_classes)["inner_contour"]
        self.nuclei = _Branch(channels, total - 1)
        self.contours = _Branch(channels, 1)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Map a normalised image (b, c, h, w), h and w multiples of 32, to raw outputs."""
        features, size = self.encoder(image)[-3:], list(image.shape[2:])
        branches = [branch(features, size) for branch in (self.nuclei, self.contours)]
        return {"inner_contour": torch.cat(branches, 1)}
