"""Metrics written out from their definitions, with a mask of the whole image per nucleus.

Slow and plain on purpose: what the package computes from one table is compared with these.
"""

import itertools

import numpy as np


def masks(labels):
    """Mask of each nucleus, by id, ascending."""
    return {int(i): labels == i for i in np.unique(labels) if i != 0}


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def panoptic(true, pred):
    """tp, fp, fn, sum of IoU with the rule IoU > 0.5."""
    t, p = masks(true), masks(pred)
    paired = [iou(a, b) for a in t.values() for b in p.values() if iou(a, b) > 0.5]
    return len(paired), len(p) - len(paired), len(t) - len(paired), sum(paired)


def aji(true, pred):
    t, p = masks(true), masks(pred)
    used, inter, union = set(), 0, 0
    for a in t.values():
        best, best_iou = None, 0.0
        for j, b in p.items():
            value = (a & b).sum() / ((a | b).sum() + 1e-6)
            if value > best_iou:
                best, best_iou = j, value
        if best is None:
            union += a.sum()
        else:
            used.add(best)
            inter += (a & p[best]).sum()
            union += (a | p[best]).sum()
    union += sum(b.sum() for j, b in p.items() if j not in used)
    return inter / union if union else np.nan


def best_total_iou(true, pred):
    """Highest sum of IoU over all one-to-one pairings, by trying every one."""
    t, p = list(masks(true).values()), list(masks(pred).values())
    if len(t) > len(p):
        t, p = p, t
    return max(
        sum(iou(a, b) for a, b in zip(t, chosen, strict=True))
        for chosen in itertools.permutations(p, len(t))
    )


def dice(true, pred):
    total = (true > 0).sum() + (pred > 0).sum()
    return 2 * ((true > 0) & (pred > 0)).sum() / total if total else np.nan


def ensemble_dice(true, pred):
    inter = total = 0
    for a in masks(true).values():
        for b in masks(pred).values():
            if (a & b).any():
                inter += 2 * (a & b).sum()
                total += a.sum() + b.sum()
    if total:
        return inter / total
    return 0.0 if true.any() or pred.any() else np.nan


def hausdorff(a, b):
    """Over all pixels of two masks."""
    ya, xa = np.nonzero(a)
    yb, xb = np.nonzero(b)
    squared = (ya[:, None] - yb) ** 2 + (xa[:, None] - xb) ** 2
    return np.sqrt(max(squared.min(axis=1).max(), squared.min(axis=0).max()))


def objects(true, pred):
    """Object Dice, object IoU and object Hausdorff distance, an object being an id."""
    t, p = masks(true), masks(pred)
    if not t or not p:
        return (np.nan,) * 3 if not t and not p else (0.0, 0.0, np.inf)
    sums = np.zeros(3)
    for own, other in ((t, p), (p, t)):
        area = sum(a.sum() for a in own.values())
        for a in own.values():
            shared = {j: (a & b).sum() for j, b in other.items()}
            partner = max(shared, key=lambda j: (shared[j], -j))
            if shared[partner]:
                b = other[partner]
                values = 2 * (a & b).sum() / (a.sum() + b.sum()), iou(a, b), hausdorff(a, b)
            else:
                values = 0.0, 0.0, min(hausdorff(a, b) for b in other.values())
            sums += np.array(values) * a.sum() / area / 2
    return tuple(sums)


def overlap_literal(true, pred):
    t, p = masks(true), masks(pred)
    tp = sum(any(2 * (a & b).sum() > a.sum() for a in t.values()) for b in p.values())
    missed = sum(not any(2 * (a & b).sum() > a.sum() for b in p.values()) for a in t.values())
    return tp, len(p) - tp, missed


def overlap_one_to_one(true, pred):
    t, p = masks(true), masks(pred)
    tp = 0
    for b in p.values():
        shared = {i: (a & b).sum() for i, a in t.items()}
        if shared:
            i = max(shared, key=lambda i: (shared[i], -i))
            tp += shared[i] > 0 and 2 * shared[i] > t[i].sum()
    return tp, len(p) - tp, len(t) - tp


def nuclei(shape=(96, 110), count=14, seed=0):
    """Label map of touching and overlapping discs with gaps in the ids."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int32)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    for i in range(1, count + 1):
        y, x, radius = rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(3, 10)
        labels[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = 3 * i
    return labels


def imperfect(labels, seed=0):
    """Copy of a label map with nuclei shifted, cut, merged, lost and invented."""
    rng = np.random.default_rng(seed + 1000)
    result = np.roll(labels, tuple(rng.integers(-2, 3, 2)), (0, 1))
    ids = np.unique(result)[1:]
    for i in ids:
        kind = rng.integers(6)
        if kind == 0:
            result[result == i] = 0
        elif kind == 1:
            result[result == i] = rng.choice(ids)
        elif kind == 2:
            half = np.zeros(result.shape, bool)
            half[:, : int(np.nonzero(result == i)[1].mean())] = True
            result[(result == i) & half] = 1000 + i
    result[5:9, 5:9] = 5000
    return result
