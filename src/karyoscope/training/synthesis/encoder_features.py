"""Features of images by a fixed network that was trained on ImageNet."""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from torch import Tensor, nn

from karyoscope.networks.encoder import Encoder

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class EncoderFeatures(nn.Module):
    """A fixed encoder as a function from images to feature maps.

    Images have values from -1 to 1; they are given the mean and the standard deviation that
    the encoder was trained with.

    Parameters
    ----------
    name : str
        A timm model.
    pretrained : bool or path
        Whether to fetch ImageNet's weights, or the file that holds weights; as in
        :class:`~karyoscope.networks.encoder.Encoder`.
    """

    def __init__(self, name: str, pretrained: bool | str | Path) -> None:
        super().__init__()
        self.encoder = Encoder(name, pretrained)
        known = timm.get_pretrained_cfg(name)
        mean, std = (known.mean, known.std) if known else (_MEAN, _STD)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], False)
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the feature maps of images of shape (b, 3, h, w), finest first."""
        return self.encoder(((image + 1) / 2 - self.mean) / self.std)
