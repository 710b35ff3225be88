import numpy as np
import pytest

from karyoscope.datasets import Record, Sample
from karyoscope.evaluation.tune import BY_CLASS, SHARED, Predicted, evaluate_params, tune
from karyoscope.taxonomy import NucleusClass, Taxonomy

TAXONOMY = Taxonomy("two", (NucleusClass(1, "a", (200, 0, 0)), NucleusClass(2, "b", (0, 0, 200))))


def image():
    """Six discs whose interior is only 0.42 sure; class b gets too little probability."""
    labels = np.zeros((60, 90), np.int32)
    rows, columns = np.mgrid[:60, :90]
    for k in range(6):
        y, x = 15 + 30 * (k // 3), 15 + 30 * (k % 3)
        labels[(rows - y) ** 2 + (columns - x) ** 2 <= 36] = k + 1
    classes = np.array([0, 1, 2, 1, 2, 1, 2], np.uint8)
    record = Record("discs", "discs")
    rgb = np.zeros((60, 90, 3), np.uint8)
    sample = Sample(record, rgb, labels, classes, TAXONOMY, 0.5)
    tp = np.zeros((60, 90, 3), np.float32)
    tp[..., 1], tp[..., 2] = 0.55, 0.45 * (sample.class_map == 2)
    inside = np.where(labels > 0, 0.42, 0.0).astype(np.float32)
    return Predicted(sample, {"inside": inside, "boundary": np.zeros_like(inside), "tp": tp})


def score(params):
    found = evaluate_params([image()], "three_label", params, TAXONOMY).compute()
    return float(found["mpq_plus"])


def test_the_search_finds_thresholds_and_class_weights_that_the_start_lacks():
    start = {"foreground": 0.4, "seed": 0.5}
    assert score(start) == 0
    result = tune(score, start, TAXONOMY)
    assert result.score == pytest.approx(1.0, abs=1e-5)
    assert result.score == score(result.params)
    assert max(value for _, value in result.history) == result.score
    assert result.params["foreground"] <= 0.42


def test_the_search_stops_when_a_round_brings_nothing():
    calls = []

    def flat(params):
        calls.append(params)
        return 0.5

    result = tune(flat, {"foreground": 0.5}, TAXONOMY, rounds=5)
    assert result.params == {"foreground": 0.5}
    tries = sum(map(len, SHARED.values())) + 2 * sum(map(len, BY_CLASS.values()))
    assert len(calls) <= 1 + tries
