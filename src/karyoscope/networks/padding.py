"""TensorFlow's "SAME" padding, written out for images whose size is known to divide."""

from __future__ import annotations

from typing import Any

from timm.layers import Conv2dSame
from torch import nn


def fix_padding(module: nn.Module) -> nn.Module:
    """Give timm's ``Conv2dSame`` layers a padding of constants, in place.

    They compute it from the size of each image, which leaves a dozen operations and a copy of the
    feature map in an exported graph. Where every feature map divides by its stride, as in images
    that are multiples of the encoder's largest stride, it is ``kernel - stride`` pixels, the
    larger half after the image; engines then fuse it into the convolution.
    """
    for name, child in module.named_children():
        if isinstance(child, Conv2dSame):
            setattr(module, name, _padded(child))
        else:
            fix_padding(child)
    return module


def _padded(convolution: Any) -> nn.Sequential:
    top, bottom = _missing(convolution, 0)
    left, right = _missing(convolution, 1)
    plain = nn.Conv2d(
        convolution.in_channels,
        convolution.out_channels,
        convolution.kernel_size,
        convolution.stride,
        dilation=convolution.dilation,
        groups=convolution.groups,
        bias=convolution.bias is not None,
    )
    plain.load_state_dict(convolution.state_dict())
    return nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), plain).train(
        convolution.training
    )


def _missing(convolution: Any, axis: int) -> tuple[int, int]:
    """Pixels before and after the image along an axis."""
    reach = convolution.dilation[axis] * (convolution.kernel_size[axis] - 1) + 1
    missing = max(reach - convolution.stride[axis], 0)
    return missing // 2, missing - missing // 2
