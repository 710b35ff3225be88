"""Encoders: any timm backbone that gives a feature pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.timm_models import create
from karyoscope.networks.anti_alias import anti_alias
from karyoscope.networks.pretrained_weights import weights_file


class Encoder(nn.Module):
    """A timm backbone as a feature pyramid.

    Parameters
    ----------
    name : str
        A timm model, such as ``"tf_efficientnet_lite0"``.
    pretrained : bool or path
        ``True`` for weights of ImageNet, a name of ``karyoscope weights list``, or a
        ``.safetensors`` file with timm's parameter names; ``False`` for random weights. See
        :func:`~karyoscope.networks.pretrained_weights.weights_file`.
    in_channels : int
        Channels of the input.
    drop_path : float
        Stochastic depth, where the backbone has it.
    levels : sequence of int, optional
        Numbers of the feature maps to return, 0 for the finest; by default all.
    anti_aliased : bool
        Down-sample with averaged, symmetric kernels; see :func:`~.anti_alias.anti_alias`.

    Attributes
    ----------
    channels, strides : list of int
        Channels and stride of each feature map, finest first.
    """

    def __init__(
        self,
        name: str,
        pretrained: bool | str | Path = False,
        in_channels: int = 3,
        drop_path: float = 0.0,
        levels: Sequence[int] | None = None,
        anti_aliased: bool = False,
    ) -> None:
        super().__init__()
        options: dict[str, Any] = {"features_only": True, "in_chans": in_channels}
        if levels is not None:
            options["out_indices"] = tuple(levels)
        if drop_path:
            options["drop_path_rate"] = drop_path
        in_file: set[str] | None = None
        file = weights_file(name, pretrained)
        if file is not None:
            in_file = _names_in(file)
            options |= {"pretrained": True, "pretrained_cfg_overlay": {"file": str(file)}}
        else:
            options["pretrained"] = pretrained
        self.backbone = create(f"encoder {name!r}", name, options)
        if in_file is not None:
            _check_all_were_loaded(self.backbone, in_file, f"encoder weights {pretrained}")
        if levels is not None:
            _drop_what_no_level_needs(self.backbone)
        if anti_aliased:
            anti_alias(self.backbone)
        info: Any = self.backbone.feature_info
        self.channels: list[int] = info.channels()
        self.strides: list[int] = info.reduction()

    def forward(self, image: Tensor) -> list[Tensor]:
        """Feature maps, finest first, of a normalised (b, c, h, w) image."""
        return self.backbone(image)


def _names_in(path: Path) -> set[str]:
    try:
        with safe_open(path, "pt") as file:
            return set(file.keys())
    except SafetensorError as error:
        raise KaryoscopeError(f"encoder weights {path} are not a .safetensors file") from error


def _check_all_were_loaded(backbone: nn.Module, in_file: set[str], what: str) -> None:
    """Refuse weights of something else, which timm would leave out with a warning."""
    # As a feature pyramid, timm flattens "stages.0" to "stages_0".
    known = {name.replace(".", "_") for name in in_file}
    missing = [n for n, _ in backbone.named_parameters() if n.replace(".", "_") not in known]
    if missing:
        raise KaryoscopeError(f"{what} are of another network: there is no {missing[0]}")


def _drop_what_no_level_needs(backbone: Any) -> None:
    """Remove the last stages of an EfficientNet, which timm runs although the result is unused."""
    stages = getattr(backbone, "_stage_out_idx", None)
    if stages:
        backbone.blocks = backbone.blocks[: max(stages)]


def keep_depthwise_in_float32(module: nn.Module) -> None:
    """Take grouped convolutions out of bf16 autocast on CPUs, in place.

    Their bf16 backward pass is pathologically slow there (56 ms for one layer). GPUs compute
    them in bf16 like all others.
    """

    def float32_forward(convolution: nn.Module):
        forward = convolution.forward

        def run(x: Tensor) -> Tensor:
            if x.device.type != "cpu":
                return forward(x)
            with torch.autocast(device_type=x.device.type, enabled=False):
                return forward(x.float())

        return run

    for child in module.modules():
        if isinstance(child, nn.Conv2d) and child.groups > 1:
            child.forward = float32_forward(child)  # type: ignore[method-assign]
