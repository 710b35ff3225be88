"""Label maps -> training maps, as batched torch operations. One file a family, one line here.

Every target is a function of ``(ids, classes)``: ids (b, h, w) int32 with 0 as background and
-1 where there is no label (outside the image, or ambiguous); classes (b, h, w) uint8, 255 where
there is no label. Losses name the targets they need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from karyoscope.targets.contour import contour
from karyoscope.targets.distance import distance_map
from karyoscope.targets.hover import hover_maps
from karyoscope.targets.three_label import centre_vectors, three_label
from karyoscope.targets.weight_map import weight_map

IGNORE = 255


def _three_label(ids: Tensor, classes: Tensor) -> Tensor:
    return three_label(ids.clamp(min=0)).masked_fill(ids < 0, IGNORE)


def _centre(ids: Tensor, classes: Tensor) -> Tensor:
    return centre_vectors(ids.clamp(min=0))


def _types(ids: Tensor, classes: Tensor) -> Tensor:
    # A nucleus whose class is not labelled teaches nothing about classes.
    unlabelled = (ids > 0) & (classes == 0)
    return classes.long().masked_fill(unlabelled | (ids < 0), IGNORE)


def _np(ids: Tensor, classes: Tensor) -> Tensor:
    return (ids > 0).long().masked_fill(ids < 0, IGNORE)


def _hv(ids: Tensor, classes: Tensor) -> Tensor:
    return hover_maps(ids)


def _contour(ids: Tensor, classes: Tensor) -> Tensor:
    return contour(ids.clamp(min=0)).long().masked_fill(ids < 0, IGNORE)


def _weight_map(ids: Tensor, classes: Tensor) -> Tensor:
    return weight_map(ids)


def _distance(ids: Tensor, classes: Tensor) -> Tensor:
    return distance_map(ids.clamp(min=0))


TARGETS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "three_label": _three_label,
    "centre": _centre,
    "types": _types,
    "np": _np,
    "hv": _hv,
    "contour": _contour,
    "weight_map": _weight_map,
    "distance": _distance,
}


#: Targets that no label map tells. The batch supplies them: where the second view of a tile shows
#: each pixel of the first, and a teacher's probabilities.
OF_THE_BATCH = ("same_tissue", "soft_three_label", "soft_types")


def make_targets(names: Iterable[str], ids: Tensor, classes: Tensor) -> dict[str, Tensor]:
    """Compute the named targets of a batch of label maps."""
    with torch.no_grad():
        return {name: TARGETS[name](ids, classes) for name in names}


def crop_targets(targets: dict[str, Tensor], margin: int) -> dict[str, Tensor]:
    """Targets where a network of valid convolutions has outputs: ``margin`` px off each side."""
    if not margin:
        return targets
    return {name: t[..., margin:-margin, margin:-margin] for name, t in targets.items()}
