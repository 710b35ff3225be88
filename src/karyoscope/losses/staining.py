"""The staining loss of RestainNet (Zhao et al. 2022; smile, section II.B)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from karyoscope.core.staining import RUIFROK

_STAINS = torch.tensor(RUIFROK)


def stain_amounts(rgb: Tensor) -> Tensor:
    r"""Haematoxylin and eosin by the law of Beer and Lambert.

    .. math:: c = -\ln\frac{255 x + 1}{256} \cdot M^{-1}

    where the rows of :math:`M` are the densities of haematoxylin, eosin and DAB: that of
    :func:`karyoscope.core.staining.natural_density`, on batches.

    Parameters
    ----------
    rgb : Tensor, shape (b, 3, h, w)
        0 to 1.

    Returns
    -------
    Tensor, shape (b, 2, h, w)
        Optical densities, with the natural logarithm.
    """
    separate = torch.linalg.inv(F.normalize(_STAINS, dim=1)).to(rgb)
    density = -torch.log((255 * rgb + 1) / 256)
    return torch.einsum("bchw,cs->bshw", density, separate[:, :2])


class StainingLoss(nn.Module):
    r"""Mean absolute difference of the amounts of haematoxylin and of eosin.

    .. math:: L_{stain} = \lVert H(\hat x) - H(x) \rVert_1 + \lVert E(\hat x) - E(x) \rVert_1

    smile names the loss and refers to RestainNet, which says that the two stains are extracted
    "by Beer-Lambert's Law" to keep "the correctness of stain intensity". The absolute difference
    is the reading chosen here, as for its pixels.
    """

    def forward(self, restained: Tensor, original: Tensor) -> Tensor:
        """Compare images (b, 3, h, w), 0 to 1."""
        return 2 * F.l1_loss(stain_amounts(restained), stain_amounts(original))
