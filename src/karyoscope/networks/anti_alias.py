"""Anti-aliased, symmetric down-sampling: so that a shift or a flip of the image changes less.

A strided convolution looks at every second place alone. What it gives changes when the image
moves by one pixel (Zhang, ICML 2019), and since an odd kernel cannot be centred between two
pixels, an image and its mirror image are sampled at different places.
"""

from __future__ import annotations

import torch
from timm.layers import Conv2dSame
from torch import Tensor, nn
from torch.nn import functional as F


def anti_alias(module: nn.Module) -> nn.Module:
    """Give every convolution of stride 2 in a module a kernel that is one pixel larger, in place.

    The new kernel is the old one after an average over 2 x 2 pixels, which is the same as to
    compute the convolution everywhere, to average neighbours and to keep every second value. It is
    centred between two pixels and padded alike on all sides. Weights from elsewhere keep their
    use: the mean over four shifts of the image stays what it was.

    Parameters
    ----------
    module : nn.Module
        Such as an encoder. Convolutions that have dilation, another stride or an even kernel
        are left as they are.

    Returns
    -------
    nn.Module
        The same module.
    """
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d) and _is_aliased(child):
            setattr(module, name, _averaged(child))
        else:
            anti_alias(child)
    return module


def average_kernel(kernel: Tensor) -> Tensor:
    """Convolve kernels (o, i, k, k) with an average over 2 x 2 pixels: (o, i, k + 1, k + 1)."""
    sides = [(left, 1 - left, top, 1 - top) for left in (0, 1) for top in (0, 1)]
    return torch.stack([F.pad(kernel, side) for side in sides]).mean(0)


def _is_aliased(convolution: nn.Conv2d) -> bool:
    size = convolution.kernel_size
    centred = isinstance(convolution, Conv2dSame) or convolution.padding == tuple(
        k // 2 for k in size
    )
    return (
        convolution.stride == (2, 2)
        and convolution.dilation == (1, 1)
        and size[0] == size[1]
        and size[0] % 2 == 1
        and centred
    )


def _averaged(convolution: nn.Conv2d) -> nn.Conv2d:
    size = convolution.kernel_size[0]
    wider = nn.Conv2d(
        convolution.in_channels,
        convolution.out_channels,
        size + 1,
        stride=2,
        padding=size // 2,
        groups=convolution.groups,
        bias=convolution.bias is not None,
        device=convolution.weight.device,
    )
    with torch.no_grad():
        wider.weight.copy_(average_kernel(convolution.weight))
        if convolution.bias is not None and wider.bias is not None:
            wider.bias.copy_(convolution.bias)
    return wider.train(convolution.training)
