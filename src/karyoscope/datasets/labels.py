"""From arrays of labels, as people publish them, to label maps and classes by id."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets.files import map_npy, read_mat
from karyoscope.datasets.image_files import read_plain

LABEL_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".npy", ".mat")
# A table of classes has one entry an id: beyond this an id is a packed colour, not a count.
_LARGEST_ID = 2**24


def label_map(array: np.ndarray, path: Path) -> np.ndarray:
    """Check an array of ids and return it as a label map.

    Parameters
    ----------
    array : ndarray, shape (h, w)
        Whole numbers of any type.
    path : Path
        Named in errors.

    Returns
    -------
    ndarray of int32, shape (h, w)

    Raises
    ------
    KaryoscopeError
        If it is not a plane of whole numbers from 0 to 2^24.
    """
    array = np.asarray(array)
    array = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "buif":
        raise KaryoscopeError(f"{path}: not a label map: {array.dtype} of shape {array.shape}")
    if array.min() < 0 or not array.max() <= _LARGEST_ID:
        raise KaryoscopeError(f"{path}: ids must be between 0 and {_LARGEST_ID}")
    labels = array.astype(np.int32)
    if array.dtype.kind == "f" and not np.array_equal(labels, array):
        raise KaryoscopeError(f"{path}: ids must be whole numbers")
    return labels


def read_label_image(path: Path) -> np.ndarray:
    """Read a label image: ``.png``, ``.tif``, ``.npy`` or ``.mat`` (``inst_map``).

    Raises
    ------
    KaryoscopeError
        If the file is damaged, or looks like a yes-or-no mask in which nuclei have no ids.
    """
    suffix = path.suffix.lower()
    if suffix == ".mat":
        array = read_mat(path, "inst_map")["inst_map"]
    elif suffix == ".npy":
        array = map_npy(path)
    else:
        array = read_plain(path)
    labels = label_map(array, path)
    ids = np.unique(labels[labels > 0])
    if len(ids) == 1 and ids[0] in (1, 255) and len(np.unique(components(labels > 0))) > 3:
        raise KaryoscopeError(
            f"{path}: every nucleus has the value {ids[0]}; give each nucleus an id of its own"
        )
    return labels


def components(mask: np.ndarray) -> np.ndarray:
    """Number the 8-connected regions of a mask: int32, shape (h, w)."""
    return cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[1]


def whole_ids(values: Iterable[str | None], path: Path) -> np.ndarray:
    """Ids of the rows of a table, int64.

    Raises
    ------
    KaryoscopeError
        If one is not a whole number, or is in two rows.
    """
    ids: dict[int, None] = {}
    for value in values:
        try:
            number = float(value or "")
            wanted = int(number)
        except (ValueError, OverflowError):
            number = wanted = -1
        if number != wanted or not 0 <= wanted <= _LARGEST_ID:
            raise KaryoscopeError(f"{path}: id {value!r} is not a whole number of a nucleus")
        if wanted in ids:
            raise KaryoscopeError(f"{path}: id {wanted} is in two rows")
        ids[wanted] = None
    return np.array(list(ids), np.int64)


def class_lookup(ids: np.ndarray, classes: np.ndarray, largest: int, path: Path) -> np.ndarray:
    """Table of class by id, from two parallel arrays; ids not listed get class 0.

    Parameters
    ----------
    ids, classes : ndarray, n values each
        In any shape. Ids beyond the label map are left out.
    largest : int
        Largest id of the label map.
    path : Path
        Named in errors.

    Returns
    -------
    ndarray of uint8, shape (largest + 1,)

    Raises
    ------
    KaryoscopeError
        If an id or a class is no whole number, or a nucleus has two classes.
    """
    given, classes = np.asarray(ids).ravel(), np.asarray(classes).ravel()
    with np.errstate(invalid="ignore"):
        ids = given.astype(np.int64)
    if not np.array_equal(ids, given):
        raise KaryoscopeError(f"{path}: ids of nuclei must be whole numbers")
    if not ((classes >= 0) & (classes <= 255) & (classes == np.floor(classes))).all():
        raise KaryoscopeError(f"{path}: classes must be whole numbers from 0 to 255")
    known = (ids > 0) & (ids <= largest)
    pairs = np.unique(np.stack([ids[known], classes[known].astype(np.int64)]), axis=1)
    twice = pairs[0, 1:][np.diff(pairs[0]) == 0]
    if len(twice):
        raise KaryoscopeError(f"{path}: nucleus {twice[0]} has two classes")
    table = np.zeros(int(largest) + 1, np.uint8)
    table[ids[known]] = classes[known]
    return table


def majority_class(inst_map: np.ndarray, class_map: np.ndarray) -> np.ndarray:
    """Table of class by id: the class that most pixels of the nucleus have.

    Parameters
    ----------
    inst_map, class_map : ndarray of int, shape (h, w)
        Classes above 255 count as 255, which no taxonomy in use has.

    Returns
    -------
    ndarray of uint8, shape (largest id + 1,)
        The smaller class where two are equally frequent; 0 for ids without pixels.
    """
    largest = int(inst_map.max(initial=0))
    pairs = inst_map.astype(np.int64) * 256 + np.minimum(class_map, 255).astype(np.int64)
    found, counts = np.unique(pairs, return_counts=True)
    # Later entries overwrite earlier ones, so the most frequent class comes last.
    order = np.lexsort((-(found % 256), counts))
    table = np.zeros(largest + 1, np.uint8)
    table[found[order] // 256] = found[order] % 256
    table[0] = 0
    return table


def one_class(inst_map: np.ndarray) -> np.ndarray:
    """Table of class by id for data without classes: every nucleus is of class 1."""
    classes = np.ones(int(inst_map.max(initial=0)) + 1, np.uint8)
    classes[0] = 0
    return classes
