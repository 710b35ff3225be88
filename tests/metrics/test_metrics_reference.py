"""Each metric against its definition written out with masks."""

from pathlib import Path

import brute_force
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from karyoscope import KaryoscopeError, metrics
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.metrics.jaccard import assign_by_iou

SEEDS = range(6)


@pytest.fixture(params=SEEDS)
def maps(request):
    true = brute_force.nuclei(seed=request.param)
    return true, brute_force.imperfect(true, request.param)


def noise(largest=4, side=8):
    shape = st.tuples(st.integers(1, side), st.integers(1, side))
    labels = st.integers(0, largest)
    return shape.flatmap(
        lambda s: st.tuples(*(arrays(np.int32, s, elements=labels) for _ in range(2)))
    )


def assert_equal_to_definitions(maps):
    table = metrics.contingency(*maps)
    assert metrics.panoptic_counts(table) == pytest.approx(brute_force.panoptic(*maps))
    assert metrics.aji(table) == pytest.approx(brute_force.aji(*maps))
    assert metrics.dice(table) == pytest.approx(brute_force.dice(*maps))
    assert metrics.ensemble_dice(table) == pytest.approx(brute_force.ensemble_dice(*maps))
    assert tuple(metrics.overlap_counts(table, "literal")) == brute_force.overlap_literal(*maps)
    found = tuple(metrics.overlap_counts(table, "one_to_one"))
    assert found == brute_force.overlap_one_to_one(*maps)
    assert metrics.object_scores(*maps) == pytest.approx(brute_force.objects(*maps), abs=1e-12)


def test_drawn_nuclei(maps):
    assert_equal_to_definitions(maps)


def test_real_nuclei():
    folder = Path(__file__).parents[1] / "data" / "dsb2018" / "labels"
    file = min(folder.glob("*.png"))
    true = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)[:160, :160].astype(np.int32)
    assert len(np.unique(true)) > 10
    assert_equal_to_definitions((true, brute_force.imperfect(true)))


@given(noise())
@settings(max_examples=50, deadline=None)
def test_metrics_of_noise(maps):
    table = metrics.contingency(*maps)
    assert metrics.panoptic_counts(table) == pytest.approx(brute_force.panoptic(*maps))
    assert metrics.aji(table) == pytest.approx(brute_force.aji(*maps), nan_ok=True)
    dice2 = brute_force.ensemble_dice(*maps)
    assert metrics.ensemble_dice(table) == pytest.approx(dice2, nan_ok=True)
    found = metrics.object_scores(*maps)
    assert found == pytest.approx(brute_force.objects(*maps), abs=1e-12, nan_ok=True)


@given(noise(largest=5))
@settings(max_examples=50, deadline=None)
def test_assignment_is_the_best_one(maps):
    table = metrics.contingency(*maps)
    pairs = assign_by_iou(table)
    for rows in (table.pair_true[pairs], table.pair_pred[pairs]):
        assert len(np.unique(rows)) == len(rows)
    if len(table.true_ids) and len(table.pred_ids):
        best = brute_force.best_total_iou(*maps)
        assert table.pair_iou[pairs].sum() == pytest.approx(best, abs=1e-4)


def test_hausdorff_of_a_disc_in_a_ring():
    """The farthest pixel from a ring lies inside the hole, not on the outline of the disc."""
    rows, columns = np.mgrid[:61, :61]
    radius = np.hypot(rows - 30, columns - 30)
    disc = (radius <= 20).astype(int)
    ring = ((radius > 18) & (radius <= 28)).astype(int)
    assert metrics.object_scores(disc, ring) == pytest.approx(brute_force.objects(disc, ring))


POINTS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=6)


def every_pairing(true, pred, radius):
    """All one-to-one pairings within a radius: sets of (number of pairs, total distance)."""
    found = [(0, 0.0, frozenset())]
    for i, a in enumerate(true):
        more = []
        for count, total, used in found:
            for j, b in enumerate(pred):
                distance = float(np.hypot(a[0] - b[0], a[1] - b[1]))
                if j not in used and distance <= radius:
                    more.append((count + 1, total + distance, used | {j}))
        found += more
        assert i < 6
    return found


@given(POINTS, POINTS, st.integers(1, 15))
@settings(max_examples=50, deadline=None)
def test_radius_first_makes_most_pairs_at_least_distance(true, pred, radius):
    rows_true, rows_pred = metrics.pair_points(true, pred, radius, "radius_first")
    distances = [
        np.hypot(true[i][0] - pred[j][0], true[i][1] - pred[j][1])
        for i, j in zip(rows_true, rows_pred, strict=True)
    ]
    assert all(d <= radius for d in distances)
    assert len(set(rows_true)) == len(set(rows_pred)) == len(distances)
    count, total = max((n, -total) for n, total, _ in every_pairing(true, pred, radius))
    assert len(distances) == count
    assert sum(distances) == pytest.approx(-total)


@given(POINTS, POINTS, st.integers(1, 15))
@settings(max_examples=50, deadline=None)
def test_orders_of_pairing_agree_on_what_is_far(true, pred, radius):
    first = metrics.pair_points(true, pred, radius, "assignment_first")
    second = metrics.pair_points(true, pred, radius, "radius_first")
    assert len(first[0]) <= len(second[0])
    assert (np.diff(first[0]) > 0).all()
    assert (np.diff(second[0]) > 0).all()


def test_unlabelled_truth_is_no_error_of_class():
    scores = {}
    for rule in ("ignore", "count"):
        lizard = Taxonomy.load("lizard")
        scores[rule] = metrics.DetectionAccumulator(lizard, mpp=0.5, unlabelled=rule)
        scores[rule].update_points([[5, 5], [50, 50]], [1, 0], [[5, 5], [50, 50]], [1, 1])
    assert scores["ignore"].compute()["acc"] == 1.0
    assert scores["count"].compute()["acc"] == 0.5
    assert scores["ignore"].compute()["classes"]["neutrophil"]["f_c"] == 1.0
    assert scores["count"].compute()["classes"]["neutrophil"]["f_c"] == pytest.approx(2 / 4)
    assert scores["ignore"].compute()["f_d"] == scores["count"].compute()["f_d"] == 1.0


def test_equation_9():
    """F_c over all classes is F_d times the accuracy where every nucleus has a class."""
    rng = np.random.default_rng(0)
    lizard = Taxonomy.load("lizard")
    scores = metrics.DetectionAccumulator(lizard, mpp=0.5)
    true, pred = rng.uniform(0, 100, (60, 2)), rng.uniform(0, 100, (50, 2))
    scores.update_points(true, rng.integers(1, 7, 60), pred, rng.integers(1, 7, 50))
    result = scores.compute()
    assert 0 < result["acc"] < 1
    assert result["f_c_all"] == pytest.approx(result["f_d"] * result["acc"])


def test_absent_rules_of_image_means():
    """One perfect image, one with a false alarm and no truth, one with nothing."""
    nucleus, nothing = np.array([[1, 1]]), np.array([[0, 0]])
    expected = {"zero": 1 / 3, "skip_empty": 1 / 2, "skip": 1.0}
    for absent, pq in expected.items():
        scores = metrics.PanopticAccumulator(epsilon="none", absent=absent)
        scores.update(nucleus, nucleus)
        scores.update(nothing, nucleus)
        scores.update(nothing, nothing)
        assert scores.compute()["pq"] == pytest.approx(pq)


def test_tissue_means():
    """Two images of one tissue weigh as much as one of another."""
    nucleus, nothing = np.array([[1, 1]]), np.array([[0, 0]])
    scores = metrics.PanopticAccumulator(epsilon="none", absent="skip")
    scores.update(nucleus, nucleus, cohort="colon")
    scores.update(nucleus, nucleus, cohort="colon")
    scores.update(nucleus, nothing, cohort="lung")
    assert scores.compute()["bpq_tissues"] == pytest.approx(0.5)
    assert scores.compute()["pq"] == pytest.approx(2 / 3)


def test_mixed_classes_cut_or_by_majority():
    true, pred = np.array([[1, 1, 1]]), np.array([[1, 1, 1]])
    of_true, of_pred = np.array([[2, 2, 2]]), np.array([[2, 2, 4]])
    counts = {}
    for mixed in ("cut", "majority"):
        scores = metrics.PanopticAccumulator(Taxonomy.load("lizard"), mixed=mixed)
        scores.update(true, pred, of_true, of_pred)
        counts[mixed] = scores.counts[0, [2, 4]].tolist()
    assert counts["cut"] == [[1, 0, 0, pytest.approx(2 / 3)], [0, 1, 0, 0]]
    assert counts["majority"] == [[1, 0, 0, 1], [0, 0, 0, 0]]


@pytest.mark.parametrize(
    "make",
    [
        lambda: metrics.PanopticAccumulator(epsilon="some"),
        lambda: metrics.PanopticAccumulator(absent="some"),
        lambda: metrics.PanopticAccumulator(mixed="some"),
        lambda: metrics.DetectionAccumulator(mpp=0.0),
        lambda: metrics.DetectionAccumulator(mpp=0.5, order="some"),
        lambda: metrics.ConfusionAccumulator(unlabelled="some"),
        lambda: metrics.OverlapAccumulator(rule="some"),
        lambda: metrics.ObjectAccumulator(by="some"),
    ],
)
def test_unknown_conventions_are_refused(make):
    with pytest.raises(KaryoscopeError):
        make()


def test_crop_larger_than_the_image_is_refused():
    with pytest.raises(KaryoscopeError, match="central 224"):
        metrics.count_nuclei(np.zeros((100, 100), int), [0], [1], crop=224)
