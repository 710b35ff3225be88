"""Label maps, the maps a perfect network would make of them, and a score."""

from pathlib import Path

import cv2
import numpy as np
import scipy.io
import scipy.ndimage as ndi
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from karyoscope.core.taxonomy import NucleusClass, Taxonomy
from karyoscope.postprocessing.labelling import fill_holes, label, largest_parts, select

DATA = Path(__file__).parents[1] / "data"
THREE = Taxonomy(
    "three", tuple(NucleusClass(i, n, (0, 0, 0)) for i, n in ((1, "a"), (2, "b"), (5, "c")))
)


def tidy(labels: np.ndarray) -> np.ndarray:
    """One hole-free part per label, numbered in raster order."""
    labels = np.array(labels, np.int32, order="C")
    largest_parts(labels)
    fill_holes(labels)
    select(labels, np.arange(labels.max() + 1) > 0)
    return labels


def dsb2018() -> list[np.ndarray]:
    """Label maps of stained tissue (Data Science Bowl 2018, CC0) with well drawn nuclei."""
    names = ("00ae65c1c663", "5d75a63972ef", "708eb41a3fc8", "be771d6831e3")
    files = [str(DATA / "dsb2018" / "labels" / f"{name}.png") for name in names]
    return [tidy(cv2.imread(file, cv2.IMREAD_UNCHANGED)) for file in files]


def read_mat(path: Path) -> np.ndarray:
    return scipy.io.loadmat(path)["inst_map"].astype(np.int32)


def some_classes(labels: np.ndarray, classes: int = 3) -> np.ndarray:
    """Class row (1 to ``classes``) of each label, 0 first."""
    rows = 1 + np.arange(labels.max() + 1) * 7 % classes
    rows[0] = 0
    return rows


def perfect_maps(labels: np.ndarray, classes: int = 3, stride: int = 1) -> dict[str, np.ndarray]:
    """Every standard map, as a network without error would predict it."""
    height, width = labels.shape
    wide = np.pad(labels, 1)
    neighbours = (wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:])
    edge = np.any([n != labels for n in neighbours], axis=0)
    nuclear = labels > 0
    tp = np.eye(classes + 1)[some_classes(labels, classes)[labels]]
    pad = [(0, -height % stride), (0, -width % stride), (0, 0)]
    tp = np.pad(tp, pad, mode="edge")
    tp = tp.reshape(tp.shape[0] // stride, stride, tp.shape[1] // stride, stride, -1).mean((1, 3))
    maps = {
        "inside": nuclear & ~edge,
        "boundary": nuclear & edge,
        "np": nuclear,
        "contour": nuclear & edge,
        "centre": np.zeros((height, width, 2)),
        "hv": hover_targets(labels),
        "tp": tp,
        "distance": distance_to_edge(labels),
    }
    return {k: v.astype(np.float32) for k, v in maps.items()}


def hover_targets(labels: np.ndarray) -> np.ndarray:
    """Horizontal and vertical distance to the centroid, each side scaled to 1."""
    result = np.zeros((*labels.shape, 2))
    for i, box in enumerate(ndi.find_objects(labels), 1):
        if box is None:
            continue
        place = np.nonzero(labels[box] == i)
        for channel, coordinate in enumerate(place[::-1]):
            distance = coordinate - np.round(coordinate.mean())
            for side in (distance < 0, distance > 0):
                if side.any():
                    distance = np.where(side, distance / np.abs(distance[side]).max(), distance)
            result[box][(*place, np.full(len(place[0]), channel))] = distance
    return result


def distance_to_edge(labels: np.ndarray) -> np.ndarray:
    """Distance of each nuclear pixel to the nearest pixel that is not of its nucleus."""
    result = np.zeros(labels.shape)
    for i, box in enumerate(ndi.find_objects(labels), 1):
        if box is not None:
            own = np.pad(labels[box] == i, 1)
            result[box] += ndi.distance_transform_edt(own)[1:-1, 1:-1]
    return result


def noisy(maps: dict[str, np.ndarray], seed: int = 0) -> dict[str, np.ndarray]:
    """Smoothed and noisy versions, as a real network's; probabilities stay in 0..1."""
    rng = np.random.default_rng(seed)
    result = {}
    for name, values in maps.items():
        smooth = cv2.GaussianBlur(values, (0, 0), 0.8).reshape(values.shape)
        smooth += rng.normal(0, 0.05, values.shape).astype(np.float32)
        free = name in ("hv", "centre", "distance")
        result[name] = smooth if free else np.clip(smooth, 0, 1)
    return result


def panoptic_quality(true: np.ndarray, pred: np.ndarray) -> float:
    """Sum of IoU above 1/2, by the mean of the two numbers of nuclei."""
    true_ids, t = np.unique(true, return_inverse=True)
    pred_ids, p = np.unique(pred, return_inverse=True)
    shape = len(true_ids), len(pred_ids)
    table = np.bincount(t.ravel() * shape[1] + p.ravel(), minlength=shape[0] * shape[1])
    table = table.reshape(shape)
    both = table[1:, 1:]
    iou = both / (table.sum(1)[1:, None] + table.sum(0)[None, 1:] - both)
    return float(iou[iou > 0.5].sum() / (0.5 * (shape[0] + shape[1] - 2)))


def differing_pixels(a: np.ndarray, b: np.ndarray) -> int:
    """Pixels that differ under the best pairing of the labels."""
    columns = int(b.max()) + 1
    table = np.bincount((a * columns + b).ravel(), minlength=(a.max() + 1) * columns)
    table = table.reshape(-1, columns)
    return int(a.size - table[linear_sum_assignment(-table)].sum())


@st.composite
def label_maps(draw, largest: int = 40) -> np.ndarray:
    """Tidy label maps: speckle, touching blobs, one nucleus over all, single pixels, borders."""
    height, width = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["speckle", "cells", "full"]))
    if kind == "full":
        return np.ones((height, width), np.int32)
    if kind == "speckle":
        values = rng.integers(0, draw(st.integers(2, 5)), (height, width))
        return tidy(label(values))
    count = draw(st.integers(1, 20))
    centres = rng.uniform((0, 0), (height, width), (count, 2))
    grid = np.stack(np.mgrid[:height, :width], -1)[:, :, None]
    distance = np.linalg.norm(grid - centres, axis=-1)
    nearest = distance.argmin(-1) + 1
    return tidy(np.where(distance.min(-1) < draw(st.floats(1, 12)), nearest, 0))


def assert_tidy(labels: np.ndarray) -> None:
    """Assert what every post-processing promises of its labels."""
    assert labels.dtype == np.int32
    ids, first = np.unique(labels.ravel(), return_index=True)
    first = first[ids > 0]
    assert list(ids[ids > 0]) == list(range(1, len(first) + 1)), "ids have gaps"
    assert (np.diff(first) > 0).all(), "ids are not in raster order"
    np.testing.assert_array_equal(tidy(labels), labels)
