"""The kernels of label maps beside libraries; part of ``kernels.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from scipy import ndimage, sparse
from scipy.spatial.distance import directed_hausdorff

from karyoscope.core.raster import fill_outlines
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.metrics import geometry, kernels
from karyoscope.postprocessing import contour, labelling, runs, shape
from karyoscope.postprocessing.distance import peaks
from karyoscope.postprocessing.flooding import watershed
from karyoscope.postprocessing.outlines import trace_outlines
from karyoscope.postprocessing.tabulate import summed_probabilities

try:
    import skimage
    import skimage.measure
    import skimage.morphology
    import skimage.segmentation
except ImportError:
    skimage = None

LIZARD = Taxonomy.load("lizard")


@dataclass
class Case:
    """A kernel, the usual way to the same result, and how the results are compared."""

    kernel: str
    library: str
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    equal: Callable[[Any, Any], bool] | None = None


def same(a: Any, b: Any) -> bool:
    return np.array_equal(np.asarray(a), np.asarray(b))


def close(a: Any, b: Any) -> bool:
    return np.allclose(np.asarray(a), np.asarray(b), rtol=1e-4, atol=1e-4)


def label_cases(true: np.ndarray, pred: np.ndarray) -> Iterator[Case]:
    """Kernels of label maps: components, holes, tables, growth."""
    rng = np.random.default_rng(0)
    mask = (true > 0).astype(np.uint8)
    connected = labelling.label(true)
    found = runs.find_runs(connected)
    count = int(connected.max())
    holed = connected.copy()
    holed[rng.random(true.shape) < 0.01] = 0
    tp = rng.random((*true.shape, 7), np.float32)

    yield Case(
        "runs: label a mask",
        "cv2.connectedComponents",
        lambda: labelling.label(mask),
        lambda: cv2.connectedComponents(mask, connectivity=4)[1],
        lambda a, b: a.max() == b.max(),
    )
    if skimage:
        yield Case(
            "runs: label a label map",
            "skimage.measure.label",
            lambda: labelling.label(true),
            lambda: skimage.measure.label(true, connectivity=1),
            lambda a, b: a.max() == b.max(),
        )

    def filled_by_scipy() -> np.ndarray:
        out = holed.copy()
        for i, box in enumerate(ndimage.find_objects(holed), 1):
            if box is not None:
                out[box][ndimage.binary_fill_holes(holed[box] == i)] = i
        return out

    def filled() -> np.ndarray:
        out = holed.copy()
        labelling.fill_holes(out)
        return out

    yield Case("fill holes of labels", "scipy binary_fill_holes", filled, filled_by_scipy)

    def areas_by_scipy() -> tuple[Any, ...]:
        index = np.arange(1, count + 1)
        areas = np.bincount(connected.ravel(), minlength=count + 1)[1:]
        return areas, ndimage.center_of_mass(connected > 0, connected, index)

    yield Case(
        "runs, area, centroid, box",
        "np.bincount, ndimage.center_of_mass",
        lambda: shape.measure(runs.find_runs(connected), count),
        areas_by_scipy,
        lambda a, b: same(a.area[1:], b[0]),
    )
    yield Case(
        "class probabilities by nucleus",
        "np.bincount by class",
        lambda: summed_probabilities(found, count, tp, true.shape, LIZARD),
        lambda: np.stack(
            [
                np.bincount(connected.ravel(), tp[..., c].ravel(), count + 1)[1:]
                for c in range(1, 7)
            ],
            1,
        ),
        close,
    )
    if skimage:
        yield Case(
            "solidity",
            "skimage regionprops",
            lambda: shape.solidity(found, shape.measure(found, count)),
            lambda: [r.solidity for r in skimage.measure.regionprops(connected)],
        )

    def outlines_by_opencv() -> list[np.ndarray]:
        return [
            cv2.findContours(
                (connected[box] == i).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
            )[0][0]
            for i, box in enumerate(ndimage.find_objects(connected), 1)
        ]

    yield Case(
        "outlines", "cv2.findContours", lambda: trace_outlines(connected), outlines_by_opencv
    )

    vertices, offsets = trace_outlines(connected)
    ids = np.arange(1, len(offsets), dtype=np.uint32)

    def filled_by_opencv() -> np.ndarray:
        out = np.zeros(true.shape, np.int32)
        for i in range(len(ids)):
            # Sixteenths of a pixel, centres at whole numbers.
            ring = np.round((vertices[offsets[i] : offsets[i + 1]] - 0.5) * 16).astype(np.int32)
            cv2.fillPoly(out, [ring], int(ids[i]), shift=4)
        return out

    height, width = true.shape
    yield Case(
        "fill outlines",
        "cv2.fillPoly",
        lambda: fill_outlines(vertices, offsets, ids, 0, 0, width, height),
        filled_by_opencv,
        same,
    )
    reach = contour.dilate
    small = true[: height // 2, : width // 2].copy()
    if skimage:
        yield Case(
            "grow labels by 3 px",
            "skimage expand_labels",
            lambda: reach(small, 3),
            lambda: skimage.segmentation.expand_labels(small, 3),
            lambda a, b: same(a > 0, b > 0),
        )
    smooth = cv2.GaussianBlur(ndimage.distance_transform_edt(mask).astype(np.float32), (0, 0), 1.5)
    seeds = peaks(smooth, mask, 0.5)
    if skimage:
        yield Case(
            "peaks of a height",
            "skimage h_maxima",
            lambda: peaks(smooth, mask, 0.5),
            lambda: skimage.morphology.h_maxima(smooth, 0.5),
        )

    def flooded() -> np.ndarray:
        out = seeds.copy()
        watershed(out, smooth, mask)
        return out

    if skimage:
        yield Case(
            "watershed",
            "skimage watershed",
            flooded,
            lambda: skimage.segmentation.watershed(-smooth, seeds, mask=mask),
            lambda a, b: float((a == b).mean()) > 0.99,
        )


def metric_cases(true: np.ndarray, pred: np.ndarray) -> Iterator[Case]:
    """Kernels of metrics."""
    n, m = int(true.max()) + 1, int(pred.max()) + 1

    def by_sparse() -> Any:
        flat = np.ones(true.size, np.int64), (true.ravel(), pred.ravel())
        return sparse.coo_array(flat, shape=(n, m)).tocsr()

    yield Case(
        "contingency table",
        "scipy.sparse.coo_array",
        lambda: kernels.cross_tabulate(true.ravel(), pred.ravel(), n, m),
        by_sparse,
        lambda a, b: int(a[-1].sum()) == int(b[1:, 1:].sum()),
    )
    classes = (true % 7).astype(np.uint8)
    yield Case(
        "class of each id",
        "np.unique",
        lambda: kernels.class_by_id(true.ravel(), classes.ravel(), n),
        lambda: classes.ravel()[np.unique(true, return_index=True)[1]],
    )
    yield Case(
        "ids that are present",
        "np.bincount",
        lambda: kernels.present_ids(true, n),
        lambda: np.bincount(true.ravel(), minlength=n) > 0,
        lambda a, b: same(a[1:], b[1:]),
    )

    def sums_by_numpy() -> tuple[np.ndarray, ...]:
        rows, columns = np.nonzero(true)
        at = true[rows, columns]
        return tuple(np.bincount(at, w, n) for w in (columns, rows, None))

    yield Case(
        "centroids and areas",
        "np.bincount",
        lambda: kernels.centroids_and_areas(true, n),
        sums_by_numpy,
        same,
    )
    rows = np.sort(np.random.default_rng(0).integers(0, n, 4 * n))
    scores = np.random.default_rng(1).random(4 * n)

    def best_by_numpy() -> np.ndarray:
        best = np.full(n, -1)
        order = np.lexsort((-scores, rows))
        ids, first = np.unique(rows[order], return_index=True)
        best[ids] = order[first]
        return best

    yield Case(
        "best pair of each nucleus",
        "np.lexsort",
        lambda: kernels.best_pairs(rows, scores, n),
        best_by_numpy,
        same,
    )
    if skimage:
        yield Case(
            "8-connected parts",
            "skimage.measure.label",
            lambda: geometry.connected_parts(true),
            lambda: skimage.measure.label(true, connectivity=2),
            lambda a, b: a.max() == b.max(),
        )
    small_true, small_pred = true[:256, :256].copy(), pred[:256, :256].copy()
    small_n, small_m = int(small_true.max()) + 1, int(small_pred.max()) + 1
    partner = np.zeros(small_n, np.int64)
    for i in np.unique(small_true)[1:]:
        over = small_pred[small_true == i]
        over = over[over > 0]
        partner[i] = np.bincount(over).argmax() if len(over) else 0
    ids = np.flatnonzero(partner)

    def ours() -> np.ndarray:
        found = geometry.hausdorff_to_partners(small_true, small_pred, partner, small_n, small_m)
        return np.sqrt(found[ids])

    def by_scipy() -> list[float]:
        result = []
        for i in ids:
            a, b = np.argwhere(small_true == i), np.argwhere(small_pred == partner[i])
            result.append(max(directed_hausdorff(a, b)[0], directed_hausdorff(b, a)[0]))
        return result

    yield Case("Hausdorff distance of pairs", "scipy directed_hausdorff", ours, by_scipy, close)
