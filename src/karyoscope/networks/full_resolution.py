"""Any timm backbone without its early down-sampling, as HoVer-Net wants its encoder."""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from torch import nn

from karyoscope.core.errors import KaryoscopeError
from karyoscope.networks.encoder import Encoder


class FullResolutionEncoder(Encoder):
    """Feature maps at strides 1, 2, 4 and 8.

    The first convolution gets stride 1 and max-pooling is taken out, as HoVer-Net does with its
    ResNet (section III.A); weights stay valid. A "patchify" stem, whose kernel is its stride,
    cannot be kept so: it becomes a new 7x7 convolution of stride 1, as mbzuai does with ConvNeXt
    (section III.A there), and is trained from random weights.

    Parameters
    ----------
    name, pretrained, in_channels, drop_path
        See :class:`~karyoscope.networks.encoder.Encoder`.
    """

    def __init__(
        self,
        name: str,
        pretrained: bool | str | Path = False,
        in_channels: int = 3,
        drop_path: float = 0.0,
    ) -> None:
        levels = _levels(name)
        super().__init__(name, pretrained, in_channels, drop_path, levels)
        _keep_resolution(self.backbone)
        self.strides = [1, 2, 4, 8]


def _levels(name: str) -> list[int]:
    """Which of the backbone's feature maps lie at strides 1, 2, 4 and 8 after the change.

    Where several have the same stride, the last is taken, since its receptive field is the largest.
    """
    try:
        with torch.device("meta"):
            backbone = timm.create_model(name, features_only=True)
            _keep_resolution(backbone)
            edges = [f.shape[-1] for f in backbone(torch.zeros(1, 3, 64, 64))]
    except (RuntimeError, AttributeError, AssertionError) as error:
        raise KaryoscopeError(f"encoder {name!r} cannot keep full resolution: {error}") from error
    last = {64 // edge: k for k, edge in enumerate(edges)}
    missing = [stride for stride in (1, 2, 4, 8) if stride not in last]
    if missing:
        raise KaryoscopeError(f"encoder {name!r} has no feature map of stride {missing[0]}")
    return [last[stride] for stride in (1, 2, 4, 8)]


def _keep_resolution(backbone: nn.Module) -> None:
    """Set the stride of the first convolution to 1 and take out max-pooling, in place."""
    name, stem = next((n, m) for n, m in backbone.named_modules() if isinstance(m, nn.Conv2d))
    if stem.kernel_size == stem.stride:
        stem = nn.Conv2d(stem.in_channels, stem.out_channels, 7, padding=3)
        nn.init.trunc_normal_(stem.weight, std=0.02)
        backbone.set_submodule(name, stem)
    stem.stride = (1, 1)
    for name, module in list(backbone.named_modules()):
        if isinstance(module, nn.MaxPool2d):
            backbone.set_submodule(name, nn.Identity())
