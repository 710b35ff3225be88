"""Targets: maps for training that are computed from label maps, in batches, by torch.

Each family of targets is one file, registered in :data:`TARGETS`.

Every target is a function of ``(ids, classes, sets, highest)``: ids (b, h, w) int32 with 0 as
background and -1 where there is no label (outside the image, or ambiguous), or less in images
labelled by points, which the targets of points alone read; classes (b, h, w) uint8; the last two
as :func:`make_targets` has them, or absent. Labels are 255 where there is none;
``class_sets`` has bit c set where a pixel may be of class c, 1 on background, and is 0 where
that is unknown; ``nuclei`` is 0 where there is none. Losses name the targets they need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from karyoscope.core.registry import Registry
from karyoscope.targets.contour_map import contour
from karyoscope.targets.distance import distance_map
from karyoscope.targets.hover import hover_maps
from karyoscope.targets.numbering import numbered
from karyoscope.targets.points import point_labels, point_sets
from karyoscope.targets.three_label_map import centre_vectors, three_label
from karyoscope.targets.weighting import weight_map

IGNORE = 255


#: What a code of ``classes`` stands for, and the largest id; None where they are not known.
Sets = Tensor | None
Highest = int | None

#: Settings of targets, by name; a loss says them as its ``target_options``.
TargetOptions = Mapping[str, Mapping[str, Any]]


def _three_label(
    ids: Tensor, classes: Tensor, sets: Sets = None, highest: Highest = None
) -> Tensor:
    return three_label(ids.clamp(min=0)).masked_fill(ids < 0, IGNORE)


def _centre(ids: Tensor, classes: Tensor, sets: Sets = None, highest: Highest = None) -> Tensor:
    return centre_vectors(ids.clamp(min=0), highest)


def _types(ids: Tensor, classes: Tensor, sets: Sets = None, highest: Highest = None) -> Tensor:
    # A nucleus whose class is not labelled, or is one of several, has no one class to teach.
    unlabelled = (ids > 0) & (classes == 0)
    if sets is not None:
        unlabelled |= ((sets & (sets - 1)) != 0)[classes.long()]
    return classes.long().masked_fill(unlabelled | (ids < 0), IGNORE)


def _class_sets(ids: Tensor, classes: Tensor, sets: Sets = None, highest: Highest = None) -> Tensor:
    codes = classes.long()
    bits = torch.ones_like(codes) << codes if sets is None else sets[codes]
    bits = bits.masked_fill((classes == 0) | (ids < 0), 0)
    return bits.masked_fill(ids == 0, 1)


def _nuclei(ids: Tensor, classes: Tensor, sets: Sets = None, highest: Highest = None) -> Tensor:
    return numbered(ids)


def _np(ids: Tensor, classes: Tensor, sets: Sets = None, highest: Highest = None) -> Tensor:
    return (ids > 0).long().masked_fill(ids < 0, IGNORE)


def _hv(ids: Tensor, classes: Tensor, sets: Sets = None, highest: Highest = None) -> Tensor:
    return hover_maps(ids, highest=highest)


def _contour(ids: Tensor, classes: Tensor, sets: Sets = None, highest: Highest = None) -> Tensor:
    return contour(ids.clamp(min=0)).long().masked_fill(ids < 0, IGNORE)


def _weight_map(
    ids: Tensor,
    classes: Tensor,
    sets: Sets = None,
    highest: Highest = None,
    **options: Any,
) -> Tensor:
    return weight_map(ids, **options)


def _distance(ids: Tensor, classes: Tensor, sets: Sets = None, highest: Highest = None) -> Tensor:
    return distance_map(ids.clamp(min=0))


def _points(ids: Tensor, classes: Tensor, sets: Sets = None, highest: Highest = None) -> Tensor:
    return point_labels(ids)


def _point_sets(ids: Tensor, classes: Tensor, sets: Sets = None, highest: Highest = None) -> Tensor:
    return point_sets(ids, classes, sets)


TARGETS: Registry[Callable[..., Tensor]] = Registry(
    "target",
    {
        "three_label": _three_label,
        "centre": _centre,
        "types": _types,
        "class_sets": _class_sets,
        "nuclei": _nuclei,
        "np": _np,
        "hv": _hv,
        "contour": _contour,
        "weight_map": _weight_map,
        "distance": _distance,
        "points": _points,
        "point_sets": _point_sets,
    },
    group="karyoscope.targets",
)


#: Targets of images that are labelled by points.
OF_POINTS = ("points", "point_sets")

#: Targets that no label map tells. The batch supplies them: where the second view of a tile shows
#: each pixel of the first, and a teacher's probabilities.
OF_THE_BATCH = ("same_tissue", "soft_three_label", "soft_types")


def make_targets(
    names: Iterable[str],
    ids: Tensor,
    classes: Tensor,
    sets: Tensor | None = None,
    highest: int | None = None,
    options: TargetOptions | None = None,
) -> dict[str, Tensor]:
    """Compute the named targets of a batch of label maps.

    Parameters
    ----------
    names : iterable of str
        Keys of ``TARGETS``.
    ids : Tensor of int32, shape (b, h, w)
        0 on background, -1 where there is no label.
    classes : Tensor of uint8, shape (b, h, w)
        Code of what the nucleus may be, 0 where that is unknown.
    sets : Tensor of int64, shape (number of codes,), optional
        Classes of each code, bit c for class c. Without it a code is a class.
    highest : int, optional
        An id that none exceeds; where it is given, a GPU is not waited for.
    options : mapping, optional
        Settings of a target by its name, such as ``{"weight_map": {"sigma": 2.5}}``.
    """
    settings = options or {}
    with torch.no_grad():
        return {
            name: TARGETS[name](ids, classes, sets, highest, **settings.get(name, {}))
            for name in names
        }


def crop_targets(targets: dict[str, Tensor], margin: int) -> dict[str, Tensor]:
    """Targets where a network of valid convolutions has outputs: ``margin`` px off each side."""
    if not margin:
        return targets
    return {name: t[..., margin:-margin, margin:-margin] for name, t in targets.items()}
