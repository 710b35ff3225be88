"""Loss of the distance to the edge of the nucleus (DIST: Naylor et al., IEEE TMI 2019)."""

from __future__ import annotations

from torch import Tensor, nn

from karyoscope.losses.labels import IGNORE, at_outputs, mean_where


class EdgeDistanceError(nn.Module):
    r"""Mean square error of ``distance`` over the labelled pixels.

    .. math:: L = \frac1n \sum_i (p_i - D_i)^2
    """

    reads = ("distance",)
    needs = ("distance", "np")

    def forward(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """Scalar loss."""
        predicted = outputs["distance"].float()[:, 0]
        distance, nuclear = (at_outputs(targets[name], predicted) for name in self.needs)
        return mean_where((predicted - distance).square(), nuclear != IGNORE)
