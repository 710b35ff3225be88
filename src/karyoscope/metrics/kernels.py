"""Single passes over label maps, compiled; shared by the modules of this package alone."""

from __future__ import annotations

import numpy as np

from karyoscope.core.kernels import njit


@njit
def _run_starts(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Where either of two flat maps differs from the pixel before; ends with their size."""
    size = first.size
    # Whole words, so that eight pixels without a change are passed over at once.
    change = np.zeros(size // 8 * 8 + 8, np.uint8)
    for i in range(1, size):
        change[i] = (first[i] != first[i - 1]) | (second[i] != second[i - 1])
    starts = np.empty(size + 1, np.int32)
    starts[0] = 0
    count = min(size, 1)
    words = change.view(np.uint64)
    for word in range(words.size):
        if words[word] != 0:
            for i in range(8 * word, 8 * word + 8):
                starts[count] = i
                count += change[i]
    starts[count] = size
    return starts[: count + 1]


@njit
def _runs(
    true: np.ndarray, pred: np.ndarray, true_area: np.ndarray, pred_area: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut two flat label maps into runs of equal (true, pred); count areas on the way.

    Only runs inside a nucleus of both maps are returned, as three arrays: true, pred, length.
    """
    starts = _run_starts(true, pred)
    run_true = np.empty(starts.size, np.int32)
    run_pred = np.empty(starts.size, np.int32)
    run_length = np.empty(starts.size, np.int32)
    runs = 0
    for i in range(starts.size - 1):
        start, length = starts[i], starts[i + 1] - starts[i]
        t, p = true[start], pred[start]
        true_area[t] += length
        pred_area[p] += length
        if t > 0 and p > 0:
            run_true[runs] = t
            run_pred[runs] = p
            run_length[runs] = length
            runs += 1
    return run_true[:runs], run_pred[:runs], run_length[:runs]


@njit
def _counting_order(keys: np.ndarray, key_count: int, order: np.ndarray) -> np.ndarray:
    """Stable order of ``order`` by ``keys[order]``: one pass of a radix sort."""
    first = np.zeros(key_count + 1, np.int64)
    for key in keys:
        first[key + 1] += 1
    for key in range(key_count):
        first[key + 1] += first[key]
    result = np.empty_like(order)
    for index in order:
        key = keys[index]
        result[first[key]] = index
        first[key] += 1
    return result


@njit
def _present(area: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ids of positive area, and the row of each id in that list (-1 where absent)."""
    row = np.full(area.size, -1, np.int32)
    ids = np.empty(area.size, np.int32)
    count = 0
    for label in range(1, area.size):
        if area[label] > 0:
            row[label] = count
            ids[count] = label
            count += 1
    return ids[:count].copy(), row


@njit
def cross_tabulate(
    true: np.ndarray, pred: np.ndarray, true_size: int, pred_size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Areas and intersections of two flat label maps, without a scan per nucleus.

    Parameters
    ----------
    true, pred : ndarray of int32, shape (n,)
        Labels, 0 where there is none.
    true_size, pred_size : int
        Largest label of each, plus one.

    Returns
    -------
    true_ids, true_areas, pred_ids, pred_areas, pair_true, pair_pred, pair_area : ndarrays
        Ids ascending; pairs ordered by row of true, then row of pred.
    """
    true_area = np.zeros(true_size, np.int64)
    pred_area = np.zeros(pred_size, np.int64)
    run_true, run_pred, run_length = _runs(true, pred, true_area, pred_area)
    order = np.arange(run_true.size).astype(np.int32)
    order = _counting_order(run_pred, pred_size, order)
    order = _counting_order(run_true, true_size, order)
    true_ids, true_row = _present(true_area)
    pred_ids, pred_row = _present(pred_area)
    pair_true = np.empty(order.size, np.int32)
    pair_pred = np.empty(order.size, np.int32)
    pair_area = np.empty(order.size, np.int64)
    pairs = 0
    last_true, last_pred = -1, -1
    for index in order:
        t, p = run_true[index], run_pred[index]
        if t != last_true or p != last_pred:
            pair_true[pairs] = true_row[t]
            pair_pred[pairs] = pred_row[p]
            pair_area[pairs] = 0
            pairs += 1
            last_true, last_pred = t, p
        pair_area[pairs - 1] += run_length[index]
    return (
        true_ids,
        true_area[true_ids],
        pred_ids,
        pred_area[pred_ids],
        pair_true[:pairs].copy(),
        pair_pred[:pairs].copy(),
        pair_area[:pairs].copy(),
    )


@njit
def best_pairs(rows: np.ndarray, scores: np.ndarray, size: int) -> np.ndarray:
    """For each row the first pair of highest score above 0, -1 where it has none."""
    best = np.full(size, -1, np.int64)
    highest = np.zeros(size, np.float64)
    for pair in range(rows.size):
        if scores[pair] > highest[rows[pair]]:
            highest[rows[pair]] = scores[pair]
            best[rows[pair]] = pair
    return best


@njit
def class_by_id(inst_map: np.ndarray, class_map: np.ndarray, size: int) -> tuple[np.ndarray, bool]:
    """Class at the first pixel of each id, and whether any id has pixels of two classes.

    Flat int32 and uint8 maps; the class of an id without pixels is 0.
    """
    classes = np.zeros(size, np.uint8)
    seen = np.zeros(size, np.bool_)
    mixed = False
    for start in _run_starts(inst_map, class_map)[:-1]:
        label, of_pixel = inst_map[start], class_map[start]
        if not seen[label]:
            seen[label] = True
            classes[label] = of_pixel
        elif label > 0 and classes[label] != of_pixel:
            mixed = True
    classes[0] = 0
    return classes, mixed


@njit
def present_ids(inst_map: np.ndarray, size: int) -> np.ndarray:
    """Whether each id has a pixel; 2-D int32, which may be a view of a larger map."""
    present = np.zeros(size, np.bool_)
    height, width = inst_map.shape
    for row in range(height):
        for column in range(width):
            present[inst_map[row, column]] = True
    present[0] = False
    return present


@njit
def centroids_and_areas(
    inst_map: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum of column and row indices and number of pixels of each id; ``inst_map`` is 2-D."""
    x = np.zeros(size, np.int64)
    y = np.zeros(size, np.int64)
    area = np.zeros(size, np.int64)
    height, width = inst_map.shape
    for row in range(height):
        for column in range(width):
            label = inst_map[row, column]
            if label > 0:
                x[label] += column
                y[label] += row
                area[label] += 1
    return x, y, area
