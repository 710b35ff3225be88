"""Label maps -> training maps, as batched torch operations. One file a family, one line here.

Every target is a function of ``(ids, classes)``: ids (b, h, w) int32 with 0 as background and
-1 where there is no label (outside the image, or ambiguous); classes (b, h, w) uint8, 255 where
there is no label. Losses name the targets they need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from karyoscope.targets.three_label import centre_vectors, three_label

IGNORE = 255


def _three_label(ids: Tensor, classes: Tensor) -> Tensor:
    return three_label(ids.clamp(min=0)).masked_fill(ids < 0, IGNORE)


def _centre(ids: Tensor, classes: Tensor) -> Tensor:
    return centre_vectors(ids.clamp(min=0))


def _types(ids: Tensor, classes: Tensor) -> Tensor:
    # A nucleus whose class is not labelled teaches nothing about classes.
    unlabelled = (ids > 0) & (classes == 0)
    return classes.long().masked_fill(unlabelled | (ids < 0), IGNORE)


TARGETS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "three_label": _three_label,
    "centre": _centre,
    "types": _types,
}


def make_targets(names: Iterable[str], ids: Tensor, classes: Tensor) -> dict[str, Tensor]:
    """Compute the named targets of a batch of label maps."""
    with torch.no_grad():
        return {name: TARGETS[name](ids, classes) for name in names}
