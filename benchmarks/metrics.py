"""Metrics on one core, beside the usual way: a scan of the whole image per nucleus.

Drawn nuclei of the density of colon tissue at 20x, and the same shifted, with some lost and
invented, as the prediction. Times are CPU time of the one thread that works, medians, so that
other work on the machine disturbs them little.

    python benchmarks/metrics.py [--patches 4981] [--skip-reference]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np

from karyoscope import metrics
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.metrics.evaluation import Evaluation

LIZARD = Taxonomy.load("lizard")
CONIC = 256


def drawn(side: int, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return label maps of a truth with ``count`` discs and of an imperfect prediction of it."""
    rng = np.random.default_rng(seed)
    true = np.zeros((side, side), np.int32)
    offsets = np.mgrid[-9:10, -9:10]
    for label in range(1, count + 1):
        centre, radius = rng.integers(0, side, 2), rng.uniform(5, 9)
        rows, columns = offsets[:, np.hypot(*offsets) <= radius] + centre[:, None]
        inside = (rows >= 0) & (rows < side) & (columns >= 0) & (columns < side)
        free = true[rows[inside], columns[inside]] == 0
        true[rows[inside][free], columns[inside][free]] = label
    pred = np.roll(true, (1, 2), (0, 1))
    lost = np.append(False, rng.random(count) < 0.1)
    pred[lost[pred]] = 0
    for label in range(count + 1, count + count // 10):
        row, column = rng.integers(0, side - 10, 2)
        pred[row : row + 10, column : column + 10] = label
    return true, pred


def pq_aji_dice2(true: np.ndarray, pred: np.ndarray) -> tuple[float, float, float]:
    """Ours: three metrics from one table."""
    table = metrics.contingency(true, pred)
    _, _, pq = metrics.panoptic_quality(metrics.panoptic_counts(table))
    return float(pq), metrics.aji(table), metrics.ensemble_dice(table)


def scan_per_nucleus(true: np.ndarray, pred: np.ndarray) -> tuple[float, float, float]:
    """Compute the same with a mask of the whole image for every nucleus."""
    pred_masks = {p: pred == p for p in np.unique(pred)[1:]}
    tp, sum_iou, aji_inter, aji_union, dice_inter, dice_total = 0, 0.0, 0, 0, 0, 0
    used = set()
    true_ids = np.unique(true)[1:]
    for t in true_ids:
        mask = true == t
        best, best_iou, best_inter, best_union = None, 0.0, 0, int(mask.sum())
        for p in np.unique(pred[mask]):
            if p == 0:
                continue
            inter = int((mask & pred_masks[p]).sum())
            total = int(mask.sum()) + int(pred_masks[p].sum())
            iou = inter / (total - inter)
            dice_inter, dice_total = dice_inter + 2 * inter, dice_total + total
            if iou > 0.5:
                tp, sum_iou = tp + 1, sum_iou + iou
            if iou > best_iou:
                best, best_iou, best_inter, best_union = p, iou, inter, total - inter
        used.add(best)
        aji_inter, aji_union = aji_inter + best_inter, aji_union + best_union
    aji_union += sum(int(mask.sum()) for p, mask in pred_masks.items() if p not in used)
    dq = tp / ((len(true_ids) + len(pred_masks)) / 2)
    return dq * sum_iou / tp, aji_inter / aji_union, dice_inter / dice_total


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Median CPU time of this thread, after one call to warm up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    return float(np.median(times))


def patches(count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Patches in the layout of CoNIC: (256, 256, 2) int32, ids 1..n and classes."""
    side = 2048
    rng = np.random.default_rng(2)
    images = drawn(side, 6650, seed=1)
    classes = [np.append(0, rng.integers(1, 7, int(image.max()))) for image in images]
    for _ in range(count):
        row, column = rng.integers(0, side - CONIC, 2)
        window = slice(row, row + CONIC), slice(column, column + CONIC)
        yield tuple(
            np.stack([renumbered(image[window]), of_id[image[window]]], axis=-1).astype(np.int32)
            for image, of_id in zip(images, classes, strict=True)
        )


def renumbered(labels: np.ndarray) -> np.ndarray:
    """Give the nuclei of a label map the ids 1..n."""
    return np.unique(np.append(labels, 0), return_inverse=True)[1][:-1].reshape(labels.shape)


def time_set(count: int) -> tuple[float, Evaluation]:
    """CPU time of scoring a set whole by the CoNIC protocol, from maps to all scores."""
    evaluation = Evaluation("conic", LIZARD)
    spent = 0.0
    for shard in batched(patches(count), 500):
        # Two arrays (n, 256, 256, 2), as a set of patches lies in memory.
        arrays = [np.stack(of_one) for of_one in zip(*shard, strict=True)]
        start = time.thread_time()
        for true, pred in zip(*arrays, strict=True):
            maps = true[..., 0], pred[..., 0], true[..., 1], pred[..., 1]
            name = str(len(evaluation))
            evaluation.add(metrics.Pair(*maps, name=name, source=name[:3]))
        spent += time.thread_time() - start
    start = time.thread_time()
    assert evaluation["mpq_plus"] > 0
    return spent + time.thread_time() - start, evaluation


def batched(items: Iterator, size: int) -> Iterator[list]:
    """Cut an iterator into lists."""
    while batch := list(islice(items, size)):
        yield batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--patches", type=int, default=4981)
    parser.add_argument("--skip-reference", action="store_true")
    options = parser.parse_args()

    print("PQ + AJI + DICE2 of one image")
    for side, count in ((256, 150), (1000, 650), (1000, 2225), (2000, 9000)):
        true, pred = drawn(side, count)
        nuclei = len(np.unique(true)) - 1
        ours = seconds(lambda: pq_aji_dice2(true, pred), 21)  # noqa: B023
        line = f"  {side} x {side}, {nuclei:5d} nuclei: {ours * 1e3:7.2f} ms"
        if not options.skip_reference and side <= 1000:
            start = time.thread_time()
            reference = scan_per_nucleus(true, pred)
            spent = time.thread_time() - start
            assert np.allclose(reference, pq_aji_dice2(true, pred), atol=1e-9)
            line += f", scan per nucleus {spent:7.2f} s, {spent / ours:6.0f} times"
        print(line)

    true, pred = drawn(1000, 2225)
    table = metrics.contingency(true, pred)
    further = {
        "contingency table": lambda: metrics.contingency(true, pred),
        "AJI+": lambda: metrics.aji_plus(table),
        "object Dice, IoU and Hausdorff": lambda: metrics.object_scores(true, pred),
        "F_d pairing, assignment first": lambda: metrics.DetectionAccumulator(mpp=0.5).update(
            true, pred
        ),
        "F_d pairing, radius first": lambda: metrics.DetectionAccumulator(
            mpp=0.5, order="radius_first"
        ).update(true, pred),
    }
    print(f"Further, 1000 x 1000, {len(table.true_ids)} nuclei")
    for name, work in further.items():
        print(f"  {name}: {seconds(work, 5) * 1e3:.1f} ms")

    time_set(20)
    spent, evaluation = time_set(options.patches)
    nuclei = int(
        sum(of_class["tp"] + of_class["fn"] for of_class in evaluation["classes"].values())
    )
    print(f"{len(evaluation)} patches of 256 px, {nuclei} nuclei, CoNIC protocol: {spent:.2f} s")
    start = time.process_time()
    evaluation.intervals()
    print(f"  intervals of all its scores, 1000 samples: {time.process_time() - start:.2f} s")


if __name__ == "__main__":
    main()
