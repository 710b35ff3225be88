"""HoVer-Net (Graham et al. 2019), over its own or any timm encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from karyoscope.core.errors import KaryoscopeError
from karyoscope.networks.blocks import initialise
from karyoscope.networks.dense_decoder import DenseDecoder
from karyoscope.networks.full_resolution import FullResolutionEncoder
from karyoscope.networks.outputs import output_channels
from karyoscope.networks.preact_resnet import PreactResNet50


class Variant(NamedTuple):
    """Kernels of the decoders, and whether stem and decoders pad."""

    kernel: int
    padded_stem: bool
    padded: bool


#: ``original`` takes 270 x 270 px to 80 x 80, as in the paper; ``fast`` 256 x 256 px to
#: 164 x 164, as in the authors' code. The padded ones keep the size (paper, section VI).
VARIANTS = {
    "original": Variant(5, False, False),
    "fast": Variant(3, True, False),
    "padded": Variant(5, True, True),
    "fast_padded": Variant(3, True, True),
}


class HoVerNet(nn.Module):
    """An encoder that keeps the resolution, and a dense decoder for each output.

    Parameters
    ----------
    n_classes : int
        Classes of nuclei, without background.
    variant : str
        One of :data:`VARIANTS`.
    encoder : str
        ``"preact_resnet50"`` as in the paper, or a timm model such as ``"convnext_small"``.
    pretrained : bool or path
        Weights of the encoder; see its class.
    in_channels : int
    outputs : sequence of str
        One branch each. ``("np", "hv")`` is the form without classes, ``("types", "hv")`` the
        two-branch form of Table A3.
    width : float
        Share of the paper's channels, for small experiments; a timm encoder keeps its own.

    Attributes
    ----------
    margin : int
        Pixels by which an output is smaller than the image on each side.
    context : int
        Pixels to add on each side of an image, whose edges are multiples of 8, to get outputs for
        all of it.
    """

    auxiliary: tuple[str, ...] = ()

    def __init__(
        self,
        n_classes: int,
        variant: str = "fast_padded",
        encoder: str = "preact_resnet50",
        pretrained: bool | str | Path = False,
        in_channels: int = 3,
        outputs: Sequence[str] = ("np", "hv", "types"),
        width: float = 1.0,
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise KaryoscopeError(f"no variant {variant!r}; there are {', '.join(VARIANTS)}")
        kernel, padded_stem, padded = VARIANTS[variant]
        self.outputs = tuple(outputs)
        self.encoder: PreactResNet50 | FullResolutionEncoder
        stem_loss = 0
        if encoder == "preact_resnet50":
            stem_loss = 0 if padded_stem else 3
            self.encoder = PreactResNet50(pretrained, in_channels, 3 - stem_loss, width)
        else:
            self.encoder = FullResolutionEncoder(encoder, pretrained, in_channels)
        # Of the decoders' levels, finest first: 256, 512, 1024 and 1024 at full width.
        growth = 4 * max(1, round(8 * width))
        channels = [8 * growth, 16 * growth, 32 * growth, 32 * growth]
        self.skips = nn.ModuleList(
            nn.Identity() if has == wants else nn.Conv2d(has, wants, 1, bias=False)
            for has, wants in zip(self.encoder.channels, channels, strict=True)
        )
        branches = {
            name: DenseDecoder(channels, out_channels, kernel, padded)
            for name, out_channels in output_channels(self.outputs, n_classes).items()
        }
        self.branches = nn.ModuleDict(branches)
        initialise(self.skips, self.branches)
        lost = max(branch.margin for branch in branches.values())
        self.margin = stem_loss + lost
        self.context = stem_loss + -(-lost // 4) * 4

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Map a normalised image (b, c, h, w) to raw outputs (b, ., h - 2 margin, w - 2 margin).

        The edges h and w are multiples of 8 (for ``original``, 6 more), and more than twice the
        margin.

        Returns
        -------
        dict
            By name, as :mod:`karyoscope.networks.outputs` lists them.
        """
        features = [skip(f) for skip, f in zip(self.skips, self.encoder(image), strict=True)]
        return {name: branch(features) for name, branch in self.branches.items()}
