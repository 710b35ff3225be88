"""Perceptual loss: predicted and true maps as VGG16 sees them (qu, eq. 3)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import safe_open
from torch import Tensor, nn

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.timm_models import create
from karyoscope.losses.inner_contour import inner_contour_labels
from karyoscope.losses.labels import IGNORE, at_outputs, truth
from karyoscope.pretrained import find_weights


def perceptual(predicted: list[Tensor], true: list[Tensor]) -> Tensor:
    r"""Mean square difference of features, averaged over the levels.

    .. math::

        L_{per} = \frac14 \sum_{k=1}^4 \frac{1}{C_k H_k W_k} \lVert f_k(\hat y) - f_k(t) \rVert^2

    Parameters
    ----------
    predicted, true : list of Tensor, each of shape (n, C_k, H_k, W_k)
        The features f_k of n maps; the loss is the mean over the maps.
    """
    levels = [(p - t).square().mean() for p, t in zip(predicted, true, strict=True)]
    return torch.stack(levels).mean()


class PerceptualLoss(nn.Module):
    """:func:`perceptual` on relu1_2, relu2_2, relu3_3 and relu4_3 of a fixed VGG16.

    In the paper the predicted map is the most probable label, which has no gradient; the
    probabilities stand for it here. A map is the input of VGG16 as a grey picture from 0 to 1, as
    in the authors' code, without the normalisation of ImageNet.

    Parameters
    ----------
    n_classes : int
        Classes of nuclei, without background.
    maps : {"all", "contour"}
        ``all``: each map is compared, as the paper's text has it. ``contour``: the contour map
        alone, as the authors' code has it, at a fraction of the cost.
    pretrained : bool or path
        ``True`` for those that ``karyoscope weights fetch vgg16`` gets, or a ``.safetensors`` file
        with timm's parameter names. ``False``, random weights, is for tests.
    """

    reads = ("inner_contour",)
    needs = ("types", "contour")

    def __init__(
        self,
        n_classes: int,
        maps: Literal["all", "contour"] = "all",
        pretrained: bool | str | Path = True,
    ) -> None:
        super().__init__()
        if maps not in ("all", "contour"):
            raise KaryoscopeError(f"perceptual loss on {maps!r} maps; there are all, contour")
        self.n_classes = n_classes
        self.maps = maps
        # In a list, so that the fixed weights are neither trained, averaged nor saved.
        self._vgg = [_vgg16(pretrained)]

    def _apply(self, function: Callable[[Tensor], Tensor], recurse: bool = True) -> PerceptualLoss:
        self._vgg[0]._apply(function)
        return super()._apply(function, recurse)

    def forward(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """Scalar loss."""
        logits = outputs["inner_contour"].float()
        types, contour = (at_outputs(targets[name], logits) for name in self.needs)
        labels = inner_contour_labels(types, contour, self.n_classes)
        predicted = logits.softmax(1) * (labels != IGNORE)[:, None]
        true = truth(labels, logits.shape[1])
        if self.maps == "contour":
            predicted, true = predicted[:, -1:], true[:, -1:]
        with torch.no_grad():
            expected = self._features(true)
        return perceptual(self._features(predicted), expected)

    def _features(self, maps: Tensor) -> list[Tensor]:
        grey = maps.flatten(0, 1)[:, None].expand(-1, 3, -1, -1)
        return [f.float() for f in self._vgg[0](grey)]


def _vgg16(pretrained: bool | str | Path) -> nn.Module:
    options: dict[str, Any] = {}
    if pretrained is not False:
        path = find_weights("vgg16" if pretrained is True else pretrained)
        with safe_open(path, "pt") as file:
            # timm would leave other weights out with a warning.
            if "features.21.weight" not in file.keys():  # noqa: SIM118
                raise KaryoscopeError(f"{path} holds no weights of VGG16 by timm's names")
        options = {"pretrained": True, "pretrained_cfg_overlay": {"file": str(path)}}
    vgg = create(
        "VGG16 of the perceptual loss",
        "vgg16",
        {"features_only": True, "out_indices": (0, 1, 2, 3), **options},
    )
    return vgg.eval().requires_grad_(False)
