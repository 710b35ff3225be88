"""Metrics as a library: plain functions of two label maps, pairs, and what is printed of them."""

import doctest
import importlib
import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from karyoscope import KaryoscopeError, metrics
from karyoscope.core.taxonomy import Taxonomy

PLAIN = (
    metrics.aji,
    metrics.aji_plus,
    metrics.average_precision,
    metrics.dice,
    metrics.ensemble_dice,
    metrics.f1_score,
    metrics.overlap_counts,
    metrics.panoptic_counts,
    metrics.panoptic_quality,
)
SCORES = tuple(f for f in PLAIN if not f.__name__.endswith("_counts"))
TRUE = np.array([[1, 1, 0, 2], [1, 1, 0, 2], [0, 0, 0, 0], [3, 3, 0, 0]])
LABELS = arrays(
    np.int32, st.tuples(st.integers(1, 8), st.integers(1, 8)), elements=st.integers(0, 4)
)
PAIRS = LABELS.flatmap(
    lambda true: st.tuples(st.just(true), arrays(np.int32, true.shape, elements=st.integers(0, 4)))
)


def by_definition(true, pred, iou):
    """Counts as StarDist and Cellpose compute them: a dense assignment by IoU and threshold."""
    of_true, of_pred = (np.unique(m[m > 0]) for m in (true, pred))
    table = np.array(
        [[np.sum((true == i) & (pred == j)) / np.sum((true == i) | (pred == j)) for j in of_pred]
         for i in of_true]
    ).reshape(len(of_true), len(of_pred))  # fmt: skip
    n = max(min(table.shape), 1)
    rows, columns = linear_sum_assignment(-(table >= iou).astype(float) - table / (2 * n))
    hit = table[rows, columns] >= iou
    return int(hit.sum()), len(of_pred) - int(hit.sum()), len(of_true) - int(hit.sum())


@given(PAIRS, st.sampled_from([0.1, 0.3, 0.5, 0.6, 0.75, 1.0]))
@settings(max_examples=150, deadline=None)
def test_pairs_are_those_of_the_definition(maps, iou):
    tp, fp, fn = by_definition(*maps, iou)
    found = metrics.match(*maps, iou)
    assert (len(found.pairs), len(found.extras), len(found.misses)) == (tp, fp, fn)
    if tp + fp + fn:
        assert found.ap == pytest.approx(tp / (tp + fp + fn))
        assert found.f1 == pytest.approx(2 * tp / (2 * tp + fp + fn))
    assert float(metrics.average_precision(*maps, iou)) == pytest.approx(found.ap, nan_ok=True)
    assert float(metrics.f1_score(*maps, iou)) == pytest.approx(found.f1, nan_ok=True)
    for of, column, rest in ((0, 0, found.misses), (1, 1, found.extras)):
        ids = np.concatenate([found.pairs[:, column], rest])
        assert sorted(ids) == np.unique(maps[of][maps[of] > 0]).tolist()
    for (i, j), value in zip(found.pairs, found.iou, strict=True):
        a, b = maps[0] == i, maps[1] == j
        assert value == np.sum(a & b) / np.sum(a | b) >= iou


@given(PAIRS)
@settings(max_examples=60, deadline=None)
def test_a_table_gives_what_its_maps_give(maps):
    table = metrics.contingency(*maps)
    for score in PLAIN:
        assert np.allclose(score(*maps), score(table), equal_nan=True), score.__name__


@given(PAIRS)
@settings(max_examples=60, deadline=None)
def test_scores_do_not_depend_on_ids_nor_on_the_side_that_is_ignored(maps):
    true, pred = maps
    for score in PLAIN:
        renamed = score(true * 7, pred.astype(np.uint8) * 3)
        assert np.allclose(score(true, pred), renamed, equal_nan=True), score.__name__
        whole = score(np.where(pred == 0, 0, true), pred)
        assert np.shape(score(true, pred, ignore=np.zeros(true.shape, bool))) == np.shape(whole)


def test_a_perfect_prediction_is_one_everywhere():
    for score in SCORES:
        assert np.all(np.asarray(score(TRUE, TRUE)) == 1.0), score.__name__


def test_what_is_missing_or_too_much():
    table = metrics.contingency(TRUE, TRUE)
    for score in (*PLAIN, metrics.match):
        with pytest.raises(KaryoscopeError, match="predicted label map is missing"):
            score(TRUE)
        with pytest.raises(KaryoscopeError, match="contingency table of two alone"):
            score(table, TRUE)
    for iou in (0, 1.01, -1):
        with pytest.raises(KaryoscopeError, match="more than 0 and at most 1"):
            metrics.match(TRUE, TRUE, iou)


def test_the_set_is_scored_by_counts_and_by_images():
    scores = metrics.MatchingAccumulator()
    scores.update(TRUE, TRUE, name="right")
    scores.update(TRUE, np.zeros_like(TRUE), name="nothing")
    scores.update(np.zeros_like(TRUE), np.zeros_like(TRUE), name="empty")
    found = scores.compute()
    assert found["ap_50"] == found["ap"] == 3 / 6
    assert found["f1_50"] == pytest.approx(2 * 3 / (2 * 3 + 3))
    assert found["ap_50_images"] == 0.5, "the image without nuclei is left out"


def test_what_is_printed_says_what_it_holds():
    taxonomy = Taxonomy.load("lizard")
    pair = metrics.Pair(TRUE, np.roll(TRUE, 1, 0), [0, 2, 3, 3], [0, 2, 3, 3], name="a")
    assert repr(pair) == "Pair('a', 4 x 4 px: 3 true, 3 predicted)"
    evaluation = metrics.score_pairs([pair], taxonomy=taxonomy)
    pq = evaluation["pq"]
    assert repr(evaluation).startswith(f"Evaluation(conic: 1 images, 6 classes; PQ {pq:.3f}, DQ")
    scores = metrics.PanopticAccumulator(taxonomy)
    assert repr(scores) == "PanopticAccumulator(0 images, 6 classes)"
    scores.add(pair)
    assert "PQ " in repr(scores)
    assert " object at 0x" not in repr(metrics.match(TRUE, TRUE))


@pytest.mark.parametrize(
    "name", ["matching", "jaccard", "dice_scores", "panoptic", "overlap", "objects"]
)
def test_examples(name):
    module = importlib.import_module(f"karyoscope.metrics.{name}")
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


@pytest.mark.parametrize("score", [*PLAIN, metrics.object_scores], ids=lambda score: score.__name__)
def test_plain_functions_take_the_same(score):
    parameters = list(inspect.signature(score).parameters)
    assert parameters[:2] == ["true", "pred"]
    assert "ignore" in parameters


def test_an_accumulator_in_a_training_loop_beside_torchmetrics():
    torch = pytest.importorskip("torch")
    torchmetrics = pytest.importorskip("torchmetrics")
    quality, pixels = metrics.PanopticAccumulator(), torchmetrics.classification.BinaryF1Score()
    predicted = np.roll(TRUE, 1, axis=1)
    for step in range(2):
        true, pred = torch.from_numpy(TRUE), torch.from_numpy(predicted)
        quality.update(true, pred, name=str(step))
        pixels.update((pred > 0).int().ravel(), (true > 0).int().ravel())
    assert len(quality) == 2
    assert quality.compute()["pq"] == pytest.approx(metrics.panoptic_quality(TRUE, predicted).pq)
    assert float(pixels.compute()) == pytest.approx(metrics.dice(TRUE, predicted))


def test_counts_of_two_maps_are_those_of_their_table():
    pred, ignore = np.roll(TRUE, 1, 0), np.arange(4) == np.full((4, 1), 3)
    table = metrics.contingency(TRUE, pred)
    for rule in ("literal", "one_to_one", "one_to_one_at_least_half"):
        of_table = metrics.overlap_counts(table, rule)
        assert np.array_equal(metrics.overlap_counts(TRUE, pred, rule), of_table)
        assert np.array_equal(metrics.overlap_counts(table, rule=rule), of_table)
    assert np.array_equal(metrics.overlap_counts(TRUE, pred), of_table)
    ignored = metrics.contingency(TRUE, pred, ignore)
    assert np.array_equal(
        metrics.panoptic_counts(TRUE, pred, ignore=ignore), metrics.panoptic_counts(ignored)
    )
    with pytest.raises(KaryoscopeError, match="rule must be one of"):
        metrics.overlap_counts(table, "other")


def test_object_scores_have_names():
    found = metrics.object_scores([[1, 1, 0, 0]], [[0, 5, 5, 0]])
    assert (found.dice, found.iou, found.hausdorff) == pytest.approx((1 / 2, 1 / 3, 1))
    assert tuple(found) == (found.dice, found.iou, found.hausdorff)
    cut = metrics.object_scores([[1, 1, 0, 2]], [[5, 5, 0, 0]], ignore=[[0, 0, 0, 1]])
    assert cut == (1, 1, 0)


@pytest.mark.parametrize("protocol", sorted(metrics.PROTOCOLS))
def test_in_a_set_of_one_class_every_nucleus_is_of_that_class(protocol):
    nucleus, pred = Taxonomy.load("nucleus"), np.roll(TRUE, 1, 0)
    ones = np.array([0, 1, 1, 1])
    pairs = [
        metrics.Pair(TRUE, pred, *classes, name="a")
        for classes in ((), (ones,), (None, ones), (ones, ones))
    ]
    found = [metrics.score_pairs([pair], protocol, nucleus, 0.5).scores for pair in pairs]
    for scores in found:
        np.testing.assert_equal(scores, found[-1])
    assert pairs[0].true_classes is None, "the given pair is as it was"
    with pytest.raises(KaryoscopeError, match="without classes to score"):
        metrics.score_pairs(pairs[:1], protocol, Taxonomy.load("lizard"), 0.5)


def test_an_accumulator_of_one_class_takes_label_maps_alone_even_with_large_ids():
    scores = metrics.PanopticAccumulator(Taxonomy.load("nucleus"))
    scores.update(TRUE * 500_000_000, TRUE)
    assert scores.compute()["classes"]["nucleus"]["tp"] == 3


def test_reset_forgets_the_images_and_keeps_the_conventions():
    scores = metrics.PanopticAccumulator(Taxonomy.load("lizard"), epsilon="none")
    scores.update(TRUE, TRUE, [0, 1, 2, 3], [0, 1, 2, 3], name="a", cohort="x")
    first, part = scores.compute(), scores.take([0])
    scores.reset()
    assert len(scores) == len(scores.names) == len(scores.sources) == len(scores.cohorts) == 0
    assert len(part) == 1, "what was taken before is as it was"
    scores.update(TRUE, TRUE, [0, 1, 2, 3], [0, 1, 2, 3], name="a", cohort="x")
    np.testing.assert_equal(scores.compute(), first)


def test_a_contingency_is_shown_by_its_sizes():
    table = metrics.contingency(TRUE, np.where(TRUE == 3, 0, TRUE))
    assert repr(table) == "Contingency(3 true, 2 predicted, 2 overlapping pairs)"
