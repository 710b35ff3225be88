"""Preact-ResNet50 that keeps the resolution of the image (hovernet, section III.A)."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from karyoscope.core.errors import KaryoscopeError
from karyoscope.networks.blocks import NormAct, initialise


class PreactUnit(nn.Module):
    r"""Bottleneck of three convolutions, each after normalisation and ReLU (He et al. 2016).

    .. math::

        y = x + W_3\, a(W_2\, a(W_1\, a(x))), \qquad a(x) = \mathrm{ReLU}(\mathrm{BN}(x))

    Parameters
    ----------
    in_channels, out_channels : int
    stride : int
        Stride of the 3x3 convolution. With more than 1 its input is padded below and to the
        right only, as in TensorFlow, in which the authors' network was first trained.
    first : bool
        Whether the unit opens a block: its input is normalised already, and a 1x1 convolution
        brings it to the size of the output.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, first: bool) -> None:
        super().__init__()
        middle = out_channels // 4
        self.padding = (1, 1, 1, 1) if stride == 1 else (0, 1, 0, 1)
        self.normalise = nn.Identity() if first else NormAct(in_channels)
        self.reduce = nn.Conv2d(in_channels, middle, 1, bias=False)
        self.normalise_reduced = NormAct(middle)
        self.filter = nn.Conv2d(middle, middle, 3, stride, bias=False)
        self.normalise_filtered = NormAct(middle)
        self.expand = nn.Conv2d(middle, out_channels, 1, bias=False)
        self.shortcut = (
            nn.Conv2d(in_channels, out_channels, 1, stride, bias=False) if first else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, in_channels, h, w) to (b, out_channels, h / stride, w / stride)."""
        y = self.normalise_reduced(self.reduce(self.normalise(x)))
        y = self.normalise_filtered(self.filter(F.pad(y, self.padding)))
        return self.expand(y) + self.shortcut(x)


class PreactResNet50(nn.Module):
    """Feature maps at strides 1, 2, 4 and 8.

    The first convolution has stride 1 and no max-pooling follows, so that small nuclei are not
    lost; then 3, 4, 6 and 3 residual units.

    Parameters
    ----------
    pretrained : False or path
        ``.safetensors`` file with this class's parameter names.
    in_channels : int
    padding : int
        Padding of the 7x7 stem: 3 keeps the size, 0 takes three pixels off each side.
    width : float
        Share of the paper's channels.
    """

    units = (3, 4, 6, 3)

    def __init__(
        self,
        pretrained: bool | str | Path = False,
        in_channels: int = 3,
        padding: int = 3,
        width: float = 1.0,
    ) -> None:
        super().__init__()
        self.strides = [1, 2, 4, 8]
        self.channels = [4 * round(width * c) for c in (64, 128, 256, 512)]
        stem = round(width * 64)
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, stem, 7, padding=padding, bias=False), NormAct(stem)
        )
        inputs = [stem, *self.channels[:-1]]
        self.blocks = nn.ModuleList(
            nn.Sequential(
                PreactUnit(below, out, min(2, stride), first=True),
                *(PreactUnit(out, out, 1, first=False) for _ in range(units - 1)),
                NormAct(out),
            )
            for below, out, stride, units in zip(
                inputs, self.channels, self.strides, self.units, strict=True
            )
        )
        initialise(self)
        if pretrained is True:
            raise KaryoscopeError(
                "preact_resnet50 has no public weights: give a .safetensors file, or another"
                " encoder such as resnetv2_50"
            )
        if pretrained:
            self._load(Path(pretrained))

    def _load(self, path: Path) -> None:
        if not path.is_file():
            raise KaryoscopeError(f"encoder weights {path} do not exist")
        try:
            self.load_state_dict(load_file(path))
        except RuntimeError as error:
            raise KaryoscopeError(f"encoder weights {path} do not fit preact_resnet50") from error

    def forward(self, image: Tensor) -> list[Tensor]:
        """Feature maps, finest first, of a normalised (b, c, h, w) image."""
        x = self.stem(image)
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return features
