"""Losses. Each is one class in a file of its own, registered in :data:`LOSSES`.

A loss is a module with ``reads``, the names of the network's outputs, and ``needs``, the names of
the targets that it compares, and ``forward(outputs, targets)``. A loss that takes ``n_classes`` or
``mpp`` is given it; one that wants a target with other settings has them as ``target_options``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from karyoscope.core.registry import Registry
from karyoscope.losses.class_balanced import PriorWeightedCrossEntropy
from karyoscope.losses.consistency import Consistency
from karyoscope.losses.cost_sensitive import CostSensitive
from karyoscope.losses.cross_entropy import CrossEntropy
from karyoscope.losses.dice import Dice
from karyoscope.losses.distance import EdgeDistanceError
from karyoscope.losses.focal import PriorWeightedFocal
from karyoscope.losses.hover import DistanceError, GradientError
from karyoscope.losses.inner_contour import InnerContourCrossEntropy
from karyoscope.losses.partial_types import PartialCrossEntropy
from karyoscope.losses.perceptual import PerceptualLoss
from karyoscope.losses.points import PointCrossEntropy, PointTypes
from karyoscope.losses.soft import SoftCrossEntropy
from karyoscope.losses.three_label import CentreVectorLoss, ThreeLabelCrossEntropy
from karyoscope.losses.unified_focal import UnifiedFocal
from karyoscope.losses.whole_nuclei import WholeNucleusCrossEntropy

LOSSES: Registry[Callable[..., nn.Module]] = Registry(
    "loss",
    {
        "three_label": ThreeLabelCrossEntropy,
        "centre": CentreVectorLoss,
        "prior_weighted_types": PriorWeightedCrossEntropy,
        "prior_weighted_focal": PriorWeightedFocal,
        "partial_types": PartialCrossEntropy,
        "whole_nuclei": WholeNucleusCrossEntropy,
        "hv": DistanceError,
        "hv_gradient": GradientError,
        "np_cross_entropy": partial(CrossEntropy, "np"),
        "np_dice": partial(Dice, "np"),
        "np_unified_focal": partial(UnifiedFocal, "np"),
        "types_cross_entropy": partial(CrossEntropy, "types"),
        "types_dice": partial(Dice, "types"),
        "types_unified_focal": partial(UnifiedFocal, "types"),
        "types_cost_sensitive": CostSensitive,
        "inner_contour": InnerContourCrossEntropy,
        "perceptual": PerceptualLoss,
        "distance": EdgeDistanceError,
        "consistent_three_label": partial(Consistency, "three_label"),
        "consistent_types": partial(Consistency, "types"),
        "point_three_label": partial(PointCrossEntropy, "three_label"),
        "point_np": partial(PointCrossEntropy, "np"),
        "point_types": PointTypes,
        "soft_three_label": partial(SoftCrossEntropy, "three_label"),
        "soft_types": partial(SoftCrossEntropy, "types"),
    },
    group="karyoscope.losses",
)


def build_loss(name: str, n_classes: int, mpp: float | None = None, **options: Any) -> nn.Module:
    """Build a registered loss.

    Parameters
    ----------
    name : str
        One of :data:`LOSSES`.
    n_classes : int
        Classes of nuclei, without background.
    mpp : float, optional
        µm per pixel of the tiles, for losses with lengths.
    **options
        Arguments of the loss.
    """
    if LOSSES.takes(name, "n_classes"):
        options["n_classes"] = n_classes
    if mpp is not None and LOSSES.takes(name, "mpp"):
        options["mpp"] = mpp
    loss: nn.Module = LOSSES.build(name, **options)
    return loss
