"""From a label map and class probabilities to the table of nuclei."""

from __future__ import annotations

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.kernels import njit
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.postprocessing.outlines import trace_from
from karyoscope.postprocessing.parameters import weights
from karyoscope.postprocessing.runs import find_runs
from karyoscope.postprocessing.shape import measure


def nuclei_from_labels(
    labels: np.ndarray,
    tp: np.ndarray | None,
    taxonomy: Taxonomy,
    mpp: float,
    class_weights: dict[str, float] | None = None,
) -> Nuclei:
    """Tabulate the nuclei of a label map.

    The class of a nucleus is the one with the largest sum of probabilities over its pixels,
    background left out (Rumberger et al. 2022, section II.G); the sums, brought to a total of 1,
    are its probabilities. Where they are all zero the nucleus is not classified.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
        Labels 1 to n, each 4-connected and without holes.
    tp : ndarray of float32, shape (h', w', k + 1), or None
        Class probabilities, background first; at stride 1, or at a stride s that makes h' and w'
        the lengths divided by s, rounded up. Without, nuclei are not classified.
    taxonomy : Taxonomy
        The k classes of the map.
    mpp : float
        µm per pixel of the label map.
    class_weights : {class: float}, optional
        Multiplies the sums; see :class:`~karyoscope.postprocessing.parameters.Parameters`.

    Returns
    -------
    Nuclei
        Positions are in pixels of the label map; row ``i`` is label ``i + 1``.

    Raises
    ------
    KaryoscopeError
        If the probabilities do not fit the labels or the taxonomy.
    ValueError
        If a label below the largest does not occur.
    """
    labels = np.ascontiguousarray(labels, np.int32)
    runs = find_runs(labels)
    count = int(runs.value.max(initial=0))
    geometry = measure(runs, count)
    area = geometry.area[1:]
    if not area.all():
        raise ValueError("labels must be 1 to n without gaps")
    if tp is None:
        probabilities = np.zeros((count, 0))
        class_id = np.zeros(count, np.uint8)
    else:
        sums = summed_probabilities(runs, count, tp, labels.shape, taxonomy)
        sums *= weights(class_weights or {}, taxonomy)
        total = sums.sum(1, keepdims=True)
        probabilities = np.divide(sums, total, out=np.zeros_like(sums), where=total > 0)
        class_id = np.array((0, *taxonomy.ids), np.uint8)[class_rows(sums)]
    vertices, offsets = trace_from(labels, geometry.top, geometry.first_x)
    return Nuclei(
        taxonomy,
        mpp,
        id=np.arange(1, count + 1),
        class_id=class_id,
        x=_mean(geometry.sum_x[1:], area) + 0.5,
        y=_mean(geometry.sum_y[1:], area) + 0.5,
        area_um2=area * mpp**2,
        probabilities=probabilities,
        vertices=vertices,
        offsets=offsets,
    )


def _mean(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Quotient whose fraction is rounded to 2^-20, so that whole shifts change no bit of it.

    A nucleus then has the same centroid, and the same owner, whichever block it was found in.
    """
    whole, rest = np.divmod(total, count)
    return whole + np.rint(rest / count * 2**20) / 2**20


def summed_probabilities(
    runs, count: int, tp: np.ndarray, shape: tuple[int, int], taxonomy: Taxonomy
) -> np.ndarray:
    """Sum the class probabilities over the pixels of each label.

    Parameters
    ----------
    runs : Runs
        Runs of a label map of this shape.
    count : int
        Largest label.
    tp : ndarray of float32, shape (h', w', k + 1)
        Background first; at any whole stride.
    shape : tuple of int
        (h, w) of the label map.
    taxonomy : Taxonomy
        The k classes of the map.

    Returns
    -------
    ndarray of float64, shape (count, k)

    Raises
    ------
    KaryoscopeError
        If the shapes do not fit.
    """
    stride = class_stride(tp, shape, taxonomy)
    sums = np.zeros((count, len(taxonomy)))
    _sum_probabilities(sums, runs, np.ascontiguousarray(tp, np.float32), stride)
    return sums


def class_rows(sums: np.ndarray) -> np.ndarray:
    """Row of the best class, 1 to k; 0 where no class has any probability. Shape (n,)."""
    return np.where(sums.any(1), sums.argmax(1) + 1, 0)


def class_stride(tp: np.ndarray, shape: tuple[int, int], taxonomy: Taxonomy) -> int:
    """Pixels of the label map per pixel of the class map, after checking that the two fit."""
    if tp.ndim != 3 or tp.shape[2] != len(taxonomy) + 1:
        raise KaryoscopeError(
            f"the map 'tp' has shape {tp.shape}; taxonomy {taxonomy.name!r} with {len(taxonomy)}"
            f" classes and the background needs {len(taxonomy) + 1} channels"
        )
    height, width = shape
    for stride in range(1, 17):
        if tp.shape[:2] == (-(-height // stride), -(-width // stride)):
            return stride
    raise KaryoscopeError(
        f"the map 'tp' is {tp.shape[1]} x {tp.shape[0]} pixels, which is no whole fraction of"
        f" {width} x {height}"
    )


@njit
def _sum_probabilities(sums, runs, tp, stride):
    classes = tp.shape[2] - 1
    for i in range(len(runs.row)):
        total = sums[runs.value[i] - 1]
        line = tp[runs.row[i] // stride]
        start, stop = np.int64(runs.start[i]), np.int64(runs.stop[i])
        for column in range(start // stride, (stop - 1) // stride + 1):
            pixels = min(stop, (column + 1) * stride) - max(start, column * stride)
            for c in range(classes):
                total[c] += pixels * line[column, c + 1]
