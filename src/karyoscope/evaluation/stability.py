"""How stable nuclei are: are the same ones found, with the same classes, in a changed image?

No annotation is needed. An image is segmented as it is and after a change that leaves its nuclei
what and where they are; the second result is brought back to the places of the first, exactly,
and the two are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.evaluation.changes import CHANGES, Change
from karyoscope.evaluation.predictions.base import Prediction
from karyoscope.metrics import contingency

Segment = Callable[[np.ndarray], Prediction]
"""RGB image (h, w, 3) of uint8 -> its nuclei; the classes, if any, as a table by id."""

#: Pixels at the edge whose nuclei do not count: what is cut off there is seen differently.
FRAME = 32
#: Crops have edges of a multiple of this, so that networks need not mirror them up.
MULTIPLE = 32

_COUNTS = ("both", "lost", "new", "same_class")


def margin_for(changes: Iterable[Change]) -> int:
    """Pixels that an image must have around its window: the longest shift."""
    return max((abs(change.shift) for change in changes), default=0)


def central_crop(image: np.ndarray, edge: int, margin: int) -> np.ndarray:
    """Cut the middle out of an image, with a margin around it.

    Parameters
    ----------
    image : ndarray, shape (h, w, ...)
    edge : int
        Height and width of the window; of a smaller image, all that fits.
    margin : int
        Pixels around the window.

    Returns
    -------
    ndarray
        A view, of a window whose edges are multiples of 32, and the margin around it.

    Raises
    ------
    KaryoscopeError
        If not even 32 pixels fit.
    """
    lengths = [min(edge, e - 2 * margin) // MULTIPLE * MULTIPLE for e in image.shape[:2]]
    if min(lengths) < MULTIPLE:
        raise KaryoscopeError(f"an image of {image.shape[1]} x {image.shape[0]} px is too small")
    whole = [length + 2 * margin for length in lengths]
    firsts = [(e - w) // 2 for e, w in zip(image.shape[:2], whole, strict=True)]
    rows, columns = (slice(f, f + w) for f, w in zip(firsts, whole, strict=True))
    return image[rows, columns]


def count_found_again(
    before: Prediction, after: Prediction, change: Change, frame: int = FRAME
) -> np.ndarray:
    """Compare the nuclei of a window with those of the changed one.

    Both label maps are cut to the area that both windows show. Nuclei are paired at an IoU above
    0.5, so that every pairing is unique. A pair counts where the centroids of both lie inside the
    frame of that area, and is left out where one or both lie in it; an unmatched nucleus
    counts where its own centroid lies inside. Exchanging the two results exchanges ``lost`` and
    ``new`` and changes nothing else.

    Parameters
    ----------
    before, after : Prediction
        Nuclei of the window, and of the changed window in its own place.
    change : Change
    frame : int
        Pixels.

    Returns
    -------
    ndarray of float64, shape (4,)
        Pairs; nuclei of ``before`` and of ``after`` that are unmatched; pairs of one class, NaN
        where there are no classes.
    """
    maps = change.align(before.inst_map, after.inst_map)
    table = contingency(*maps)
    paired = table.pair_iou > 0.5
    rows = table.pair_true[paired], table.pair_pred[paired]
    ids = table.true_ids, table.pred_ids
    inside = [_is_inside(m, of, frame) for m, of in zip(maps, ids, strict=True)]
    counts = inside[0][rows[0]] & inside[1][rows[1]]
    alone = []
    for within, taken in zip(inside, rows, strict=True):
        partnerless = within.copy()
        partnerless[taken] = False
        alone.append(int(partnerless.sum()))
    same = np.nan
    if before.classes is not None and after.classes is not None:
        first, second = before.classes[ids[0][rows[0]]], after.classes[ids[1][rows[1]]]
        same = float((counts & (first == second)).sum())
    return np.array([counts.sum(), *alone, same], np.float64)


def _is_inside(labels: np.ndarray, ids: np.ndarray, frame: int) -> np.ndarray:
    """Whether the centroid of each nucleus, pixels at their centres, is inside the frame."""
    inside = np.ones(len(ids), bool)
    values = labels.ravel()
    area = np.bincount(values)[ids]
    places = np.indices(labels.shape, np.float64).reshape(2, -1) + 0.5
    for place, edge in zip(places, labels.shape, strict=True):
        centroid = np.bincount(values, place)[ids] / area
        inside &= (centroid >= frame) & (centroid < edge - frame)
    return inside


def stability(
    segment: Segment,
    images: Iterable[np.ndarray],
    changes: Sequence[Change] = CHANGES,
    frame: int = FRAME,
) -> dict[str, dict[str, Any]]:
    """Share of nuclei that are found again, and that keep their class, under each change.

    Parameters
    ----------
    segment : callable
        RGB image -> :class:`~karyoscope.evaluation.Prediction`.
    images : iterable of ndarray of uint8, shape (h, w, 3)
        Each with the :func:`margin_for` the changes around the window that is looked at; see
        :func:`central_crop`.
    changes : sequence of Change
    frame : int
        Pixels at the edge of the window whose nuclei do not count.

    Returns
    -------
    dict of str to dict
        By name of the change: its ``group``; the counts ``both``, ``lost``, ``new`` and
        ``same_class`` (None without classes), summed over the images; ``f1``, that is
        2 both / (2 both + lost + new), and ``class_kept``, that is same_class / both, each None
        where it is not defined.

    Examples
    --------
    >>> def one_dark_nucleus(rgb):
    ...     return Prediction((rgb[..., 0] < 128).astype(np.int32), np.array([0, 2]))
    >>> image = np.full((102, 102, 3), 230, np.uint8)
    >>> image[45:60, 40:50] = 90
    >>> stability(one_dark_nucleus, [image], CHANGES[:1])["turn 90"]["f1"]
    1.0
    """
    margin = margin_for(changes)
    total = {change.name: np.zeros(len(_COUNTS)) for change in changes}
    for image in images:
        before = segment(Change("as it is", "").window(image, margin))
        for change in changes:
            after = segment(change.window(image, margin))
            total[change.name] += count_found_again(before, after, change, frame)
    return {
        change.name: {"group": change.group} | _shares(total[change.name]) for change in changes
    }


def pool_groups(result: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Sum the counts of the changes of each group, and compute the shares again.

    Parameters
    ----------
    result : mapping
        What :func:`stability` returned.

    Returns
    -------
    dict of str to dict
        Figures by the name of the group, in the order of the changes.
    """
    total: dict[str, np.ndarray] = {}
    for row in result.values():
        counts = np.array([row[name] for name in _COUNTS], np.float64)  # None becomes NaN
        total[row["group"]] = total.get(row["group"], 0) + counts
    return {group: _shares(counts) for group, counts in total.items()}


def _shares(counts: np.ndarray) -> dict[str, Any]:
    """Name the counts and compute the shares."""
    both, lost, new, same = counts.tolist()
    nuclei = 2 * both + lost + new
    classed = same == same
    return {
        "both": int(both),
        "lost": int(lost),
        "new": int(new),
        "same_class": int(same) if classed else None,
        "f1": 2 * both / nuclei if nuclei else None,
        "class_kept": same / both if classed and both else None,
    }
