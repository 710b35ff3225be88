"""Label maps and classes as they come in, brought to one form."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from karyoscope.core.errors import KaryoscopeError
from karyoscope.metrics.kernels import centroids_and_areas, class_by_id

_LARGEST_CLASS = 255
_INT32_MAX = np.iinfo(np.int32).max


def as_label_map(labels: ArrayLike, what: str = "label map") -> np.ndarray:
    """Return a label map as a contiguous array of int32, ids kept.

    Parameters
    ----------
    labels : array_like, shape (h, w)
        Any integer type, bool, or floats that hold whole numbers (as MATLAB files do); 0 is
        background. Ids may have gaps and background may be missing.
    what : str
        Name for error messages.

    Returns
    -------
    ndarray of int32, shape (h, w)

    Raises
    ------
    KaryoscopeError
        If it is not two-dimensional or holds fractions, negative numbers or ids beyond int32.

    Examples
    --------
    >>> as_label_map([[0.0, 7.0]])
    array([[0, 7]], dtype=int32)
    """
    array = np.asarray(labels)
    if array.ndim != 2:
        raise KaryoscopeError(f"{what} has shape {array.shape}; it must be (height, width)")
    if array.dtype.kind not in "biuf":
        raise KaryoscopeError(f"{what} is of type {array.dtype}; it must hold whole numbers")
    if array.dtype.kind == "f" and not (array == np.trunc(array)).all():
        raise KaryoscopeError(
            f"{what} holds fractions; it must hold the id of a nucleus at each pixel"
        )
    array = np.ascontiguousarray(array)
    if not _within(array, _INT32_MAX - 1):
        raise KaryoscopeError(f"{what} holds ids outside 0..{_INT32_MAX - 1}; renumber it")
    return array.astype(np.int32, copy=False)


def _within(array: np.ndarray, largest: int) -> bool:
    """Whether all values of a contiguous array lie in 0..largest."""
    if array.dtype == np.int32:
        # As unsigned, negative numbers are the largest ones: one pass instead of two.
        array = array.view(np.uint32)
    below = array.dtype.kind in "if" and array.min(initial=0) < 0
    return not below and bool(array.max(initial=0) <= largest)


def compact(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Renumber a label map whose ids are far larger than its pixels are many.

    Returns
    -------
    labels : ndarray of int32
        Ids as they were, or places in ``ids``.
    ids : ndarray or None
        The original id of each new one; None where nothing changed.
    """
    if not labels.size or labels.max() <= 4 * labels.size + 65536:
        return labels, None
    ids, inverse = np.unique(np.append(labels, 0), return_inverse=True)
    return inverse[:-1].reshape(labels.shape).astype(np.int32), ids


def class_of_ids(classes: ArrayLike, ids: np.ndarray, what: str = "classes") -> np.ndarray:
    """Look classes up in a table by id, with a named error for ids that it lacks."""
    table = np.asarray(classes)
    if ids.size and ids[-1] >= len(table):
        raise KaryoscopeError(f"{what}: a table of {len(table)} rows has no class for id {ids[-1]}")
    found: np.ndarray = table[ids]
    return found


def as_classes(classes: ArrayLike, what: str = "classes") -> np.ndarray:
    """Return classes by id or by pixel as uint8.

    Raises
    ------
    KaryoscopeError
        If they are of no such form.
    """
    array = np.asarray(classes)
    if array.ndim not in (1, 2) or array.dtype.kind not in "biuf":
        raise KaryoscopeError(f"{what} must be a table by id or a map of class ids")
    array = np.ascontiguousarray(array)
    if array.dtype == np.uint8:
        return array
    if not _within(array, _LARGEST_CLASS):
        raise KaryoscopeError(f"{what} must lie in 0..{_LARGEST_CLASS}; 0 is 'not labelled'")
    whole = array.astype(np.uint8)
    if not np.array_equal(whole, array):
        raise KaryoscopeError(f"{what} must be whole numbers")
    return whole


def parts_by_class(
    inst_map: np.ndarray, classes: ArrayLike, mixed: Literal["cut", "majority"] = "cut"
) -> tuple[np.ndarray, np.ndarray]:
    """Give every nucleus one class, by id.

    Parameters
    ----------
    inst_map : ndarray of int32, shape (h, w)
        Label map.
    classes : array_like, shape (largest id + 1,) or (h, w)
        Class of each id, or class of each pixel.
    mixed : {"cut", "majority"}
        What becomes of a nucleus whose pixels carry several classes: cut into one part a class,
        as the published CoNIC code does, or kept whole with the class of most of its pixels (the
        smallest such class).

    Returns
    -------
    parts : ndarray of int32, shape (h, w)
        ``inst_map`` itself where no nucleus had to be cut.
    table : ndarray of uint8, shape (largest id of ``parts`` + 1,)
        Class of each part.

    Examples
    --------
    >>> parts, table = parts_by_class(np.array([[5, 5, 5]], np.int32), [[2, 2, 4]])
    >>> table[parts]
    array([[2, 2, 4]], dtype=uint8)
    >>> parts_by_class(np.array([[5, 5, 5]], np.int32), [[2, 2, 4]], mixed="majority")[1][5]
    np.uint8(2)
    """
    table = as_classes(classes)
    if table.ndim == 1:
        class_of_ids(table, inst_map.max(initial=0, keepdims=True).ravel())
        return inst_map, table
    class_map = table
    if class_map.shape != inst_map.shape:
        raise KaryoscopeError(f"class map is {class_map.shape}, label map is {inst_map.shape}")
    dense, _ = compact(inst_map)
    size = int(dense.max(initial=0)) + 1
    by_id, is_mixed = class_by_id(dense.ravel(), class_map.ravel(), size)
    if not is_mixed:
        return dense, by_id
    inside = dense > 0
    width = int(class_map.max()) + 1
    keys, inverse, counts = np.unique(
        dense[inside].astype(np.int64) * width + class_map[inside],
        return_inverse=True,
        return_counts=True,
    )
    if mixed == "majority":
        best = np.lexsort((keys % width, -counts, keys // width))
        ids, first = np.unique(keys[best] // width, return_index=True)
        by_id[ids] = (keys % width)[best][first]
        return dense, by_id
    parts = np.zeros_like(inst_map)
    parts[inside] = inverse + 1
    return parts, np.append(0, keys % width).astype(np.uint8)


def centroids(inst_map: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Ids of the nuclei and the mean position of the pixels of each.

    Returns
    -------
    ids : ndarray of int, shape (n,)
        Ascending.
    points : ndarray of float64, shape (n, 2)
        x, y in pixels, origin at the corner of the top left pixel.

    Examples
    --------
    >>> ids, points = centroids([[0, 3], [0, 3]])
    >>> ids.tolist(), points.tolist()
    ([3], [[1.5, 1.0]])
    """
    dense, names = compact(as_label_map(inst_map))
    x, y, area = centroids_and_areas(dense, int(dense.max(initial=0)) + 1)
    ids = np.flatnonzero(area)
    points = np.stack([x[ids], y[ids]], axis=1) / area[ids, None] + 0.5
    return (ids if names is None else names[ids]), points
