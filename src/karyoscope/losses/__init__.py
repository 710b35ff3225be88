"""Losses: ``(outputs, targets) -> scalar``. One file a loss, one line here.

A loss is a module with ``needs``, the names of the targets it reads, and
``forward(outputs, targets)``. A loss that takes ``n_classes`` is given it.
"""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn

from karyoscope.errors import KaryoscopeError
from karyoscope.losses.class_balanced import PriorWeightedCrossEntropy
from karyoscope.losses.three_label import CentreVectorLoss, ThreeLabelCrossEntropy

LOSSES: dict[str, type[nn.Module]] = {
    "three_label": ThreeLabelCrossEntropy,
    "centre": CentreVectorLoss,
    "prior_weighted_types": PriorWeightedCrossEntropy,
}


def build_loss(name: str, n_classes: int, **options: Any) -> nn.Module:
    """Build a registered loss."""
    if name not in LOSSES:
        raise KaryoscopeError(f"no loss {name!r}; there are {', '.join(sorted(LOSSES))}")
    if "n_classes" in inspect.signature(LOSSES[name]).parameters:
        options["n_classes"] = n_classes
    try:
        return LOSSES[name](**options)
    except TypeError as error:
        raise KaryoscopeError(f"loss {name!r}: {error}") from error
