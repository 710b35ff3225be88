"""Losses of the horizontal and vertical distances (hovernet, eq. 2 and 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from karyoscope.losses.labels import IGNORE, at_outputs, mean_where


def distance_error(predicted: Tensor, distances: Tensor, labelled: Tensor) -> Tensor:
    r"""Mean square error of the distances.

    .. math:: L_a = \frac1n \sum_{i=1}^n (p_i - \Gamma_i)^2

    The square is that of a vector: the sum over the two maps. (The authors' code takes their
    mean here and in equation 3, half of both.)

    Parameters
    ----------
    predicted, distances : Tensor, shape (b, 2, h, w)
        p and Gamma: horizontal, vertical.
    labelled : Tensor of bool, shape (b, h, w)
        The n pixels that count.
    """
    return mean_where((predicted - distances).square().sum(1), labelled)


def gradient_error(predicted: Tensor, distances: Tensor, nuclear: Tensor) -> Tensor:
    r"""Mean square error of the gradients of the distances, within nuclei.

    .. math::

        L_b = \frac1m \sum_{i \in M} (\nabla_x p_{i,x} - \nabla_x \Gamma_{i,x})^2
            + \frac1m \sum_{i \in M} (\nabla_y p_{i,y} - \nabla_y \Gamma_{i,y})^2

    The gradient is by the kernel of the authors' code, see :func:`sobel_kernel`.

    Parameters
    ----------
    predicted, distances : Tensor, shape (b, 2, h, w)
        p and Gamma: horizontal, vertical.
    nuclear : Tensor of bool, shape (b, h, w)
        M, the m nuclear pixels.
    """
    # The gradient is linear, so that of the difference is the difference of the two.
    difference = predicted - distances
    across = sobel_kernel().to(difference)
    kernels = torch.stack([across, across.T])[:, None]
    gradient = F.conv2d(difference, kernels, padding=across.shape[0] // 2, groups=2)
    return mean_where(gradient.square().sum(1), nuclear)


def sobel_kernel(size: int = 5) -> Tensor:
    r"""Horizontal derivative: x / (x^2 + y^2), a Sobel operator of any size, not normalised.

    Shape (size, size). On a slope of 1 a pixel it gives 12 at size 5, which is part of the weight
    of the gradient error.
    """
    reach = torch.arange(size) - size // 2
    y, x = torch.meshgrid(reach, reach, indexing="ij")
    return x / (x**2 + y**2).clamp(min=1)


class DistanceError(nn.Module):
    """:func:`distance_error` of ``hv``, over all labelled pixels."""

    reads = ("hv",)
    needs = ("hv", "np")

    def forward(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """Scalar loss."""
        predicted = outputs["hv"].float()
        distances, nuclear = (at_outputs(targets[name], predicted) for name in self.needs)
        return distance_error(predicted, distances, nuclear != IGNORE)


class GradientError(nn.Module):
    """:func:`gradient_error` of ``hv``."""

    reads = ("hv",)
    needs = ("hv", "np")

    def forward(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """Scalar loss."""
        predicted = outputs["hv"].float()
        distances, nuclear = (at_outputs(targets[name], predicted) for name in self.needs)
        return gradient_error(predicted, distances, nuclear == 1)
