"""Losses for nuclei that are labelled by points instead of outlines."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from karyoscope.core.errors import KaryoscopeError
from karyoscope.losses.labels import at_outputs, mean_where
from karyoscope.losses.partial_types import PartialCrossEntropy

#: Channels that a pixel may be, by output, for background, the point of a nucleus, and halfway
#: between two nuclei; empty where that says nothing.
_MAY_BE: dict[str, tuple[tuple[int, ...], ...]] = {
    "three_label": ((0,), (1,), (0, 2)),
    "np": ((0,), (1,), ()),
}


class PointCrossEntropy(nn.Module):
    r"""Cross entropy of nucleus and background at the pixels that point labels determine.

    .. math::

        L = \frac{1}{|K|} \sum_{k \in K} \frac{1}{n_k} \sum_{i \in k}
            \left(-\log \sum_{c \in S_k} p_{ic}\right)

    with K the kinds of labelled pixels that the batch has: background (far from every point),
    points of nuclei, and pixels halfway between two points; :math:`S_k` are the labels that a
    pixel of kind k may have. Halfway between two nuclei is background or, in ``three_label``,
    boundary. The rest of a nucleus, whose outline the point does not tell, is left to the network.
    Every kind counts the same, since points have few pixels. The idea of background halfway
    between points is that of the Voronoi labels of Qu et al. (IEEE TMI 2020, "Weakly supervised
    deep nuclei segmentation using partial points annotation"), which are here a set of labels.

    Parameters
    ----------
    output : {"three_label", "np"}
        The output that is trained.
    """

    needs = ("points",)

    def __init__(self, output: str) -> None:
        super().__init__()
        if output not in _MAY_BE:
            raise KaryoscopeError(f"no output {output!r}; there are {', '.join(_MAY_BE)}")
        self.reads = (output,)

    def forward(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """Scalar loss of logits (b, k, h', w') and ``points`` (b, h, w); 0 without points."""
        (name,) = self.reads
        logits = outputs[name].float()
        labels = at_outputs(targets["points"], logits)
        logs = F.log_softmax(logits, 1)
        values, present = [], []
        for kind, channels in enumerate(_MAY_BE[name]):
            if channels:
                is_kind = labels == kind
                values.append(mean_where(-logs[:, list(channels)].logsumexp(1), is_kind))
                present.append(is_kind.any())
        there = torch.stack(present).float()
        return (torch.stack(values) * there).sum() / there.sum().clamp(min=1)


class PointTypes(PartialCrossEntropy):
    """:class:`PartialCrossEntropy` of the classes at points, and of background far from them.

    Parameters
    ----------
    n_classes : int
        Classes of nuclei, without background.
    **options
        Options of :class:`PartialCrossEntropy`.
    """

    needs = ("point_sets",)

    def __init__(self, n_classes: int, **options: Any) -> None:
        super().__init__(n_classes, **options)
