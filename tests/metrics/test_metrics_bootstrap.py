"""Intervals: what is resampled, that they cover, and what two runs must share."""

import numpy as np
import pytest

from karyoscope import KaryoscopeError, metrics
from karyoscope.core.taxonomy import Taxonomy

LIZARD = Taxonomy.load("lizard")


def dice_of(values, sources=None):
    """Images of 100 pixels of which ``value`` are found."""
    scores = metrics.DiceAccumulator()
    for i, value in enumerate(values):
        true, pred = np.zeros((2, 1, 200), int)
        true[0, :100] = 1
        pred[0, 100 - value : 200 - value] = 1
        source = sources[i] if sources else ""
        scores.update(true, pred, name=str(i), source=source)
    return scores


def test_interval_of_a_mean_matches_theory():
    values = np.random.default_rng(1).integers(20, 80, 400)
    low, high = metrics.bootstrap(dice_of(values), samples=2000)["dice"]
    width = 1.96 * values.std() / 20 / 100
    assert (low + high) / 2 == pytest.approx(values.mean() / 100, abs=0.005)
    assert (high - low) / 2 == pytest.approx(width, rel=0.1)


def test_sources_are_drawn_not_images():
    """Forty tiles of two slides tell no more than the two slides."""
    values = [20] * 20 + [80] * 20
    tiles = metrics.bootstrap(dice_of(values))["dice"]
    slides = metrics.bootstrap(dice_of(values, ["a"] * 20 + ["b"] * 20))["dice"]
    assert slides == pytest.approx((0.2, 0.8))
    assert tiles[1] - tiles[0] < 0.3


def test_one_source_has_no_interval():
    low, high = metrics.bootstrap(dice_of([20, 30], ["a", "a"]))["dice"]
    assert np.isnan(low)
    assert np.isnan(high)


def test_same_seed_same_interval():
    scores = dice_of(range(10, 60))
    assert metrics.bootstrap(scores, seed=3) == metrics.bootstrap(scores, seed=3)
    assert metrics.bootstrap(scores, seed=3) != metrics.bootstrap(scores, seed=4)


def test_samples_are_scored_like_sets_of_images():
    """The linear form gives what scoring the drawn images themselves gives."""
    rng = np.random.default_rng(0)
    scores = metrics.CompositionAccumulator(LIZARD)
    for i in range(12):
        scores.update_counts(rng.integers(0, 9, 6), rng.integers(0, 9, 6), name=str(i))
    intervals = metrics.bootstrap(scores, samples=1, seed=5)
    drawn = np.random.default_rng(5).multinomial(12, np.full(12, 1 / 12), 1)[0]
    order = np.argsort(np.array(scores.names))  # sources are drawn in the order of their names
    sample = scores.take(np.repeat(order, drawn))
    assert intervals["r2"] == pytest.approx((sample.compute()["r2"],) * 2)


def test_paired_difference_is_narrower_than_the_runs():
    values = np.random.default_rng(2).integers(20, 80, 60)
    first, second = dice_of(values), dice_of(values + 5)
    difference = metrics.bootstrap_difference(first, second)["dice"]
    assert difference == pytest.approx({"difference": 0.05, "low": 0.05, "high": 0.05})


def test_infinite_values_stay_infinite():
    scores = metrics.ObjectAccumulator()
    nucleus, nothing = np.array([[1, 1]]), np.array([[0, 0]])
    scores.update(nucleus, nucleus, name="a")
    scores.update(nucleus, nothing, name="b")
    result, intervals = scores.compute(), metrics.bootstrap(scores, samples=100)
    assert result["object_hausdorff"] == np.inf
    assert result["object_hausdorff_finite"] == 0
    assert intervals["object_hausdorff"] == (0, np.inf)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (dice_of([20]), "same images, such as '1'"),
        (metrics.JaccardAccumulator(), "same metric"),
    ],
)
def test_runs_that_cannot_be_compared(other, message):
    with pytest.raises(KaryoscopeError, match=message):
        metrics.bootstrap_difference(dice_of([20, 30]), other)


def test_runs_of_other_conventions_cannot_be_compared_or_merged():
    runs = [metrics.PanopticAccumulator(epsilon=epsilon) for epsilon in ("conic", "none")]
    for run in runs:
        run.update([[1]], [[1]], name="a")
    with pytest.raises(KaryoscopeError, match="conventions"):
        metrics.bootstrap_difference(*runs)
    with pytest.raises(KaryoscopeError, match="conventions"):
        runs[0].merge(runs[1])
    with pytest.raises(KaryoscopeError, match="classes"):
        runs[0].merge(metrics.PanopticAccumulator(LIZARD))


def test_nothing_to_resample():
    with pytest.raises(KaryoscopeError, match="no images"):
        metrics.bootstrap(metrics.DiceAccumulator())
