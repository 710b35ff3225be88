"""Comparison of two runs: equal, better, not comparable."""

import json

import numpy as np
import pytest
from annotated_sets import LIZARD, make_sample

from karyoscope.core.errors import KaryoscopeError
from karyoscope.evaluation import compare, read_evaluation
from karyoscope.metrics import Evaluation, Pair, to_json


def run(shift: int, count: int = 6) -> Evaluation:
    """Predictions moved by some pixels."""
    evaluation = Evaluation("conic", LIZARD)
    for k in range(count):
        sample = make_sample(str(k), 96, 96, seed=k)
        moved = np.roll(sample.inst_map, shift, axis=1)
        classes = sample.classes
        evaluation.add(Pair(sample.inst_map, moved, classes, classes, name=str(k)))
    return evaluation


def test_a_run_does_not_differ_from_itself():
    found = compare(run(1), run(1), samples=50).to_dict()
    assert found["images"] == 6
    assert found["pq"]["difference"] == found["pq"]["low"] == found["pq"]["high"] == 0
    assert all(c["pq"]["difference"] == 0 for c in found["classes"].values())


def test_a_worse_run_is_worse_and_the_order_gives_the_sign():
    worse = compare(run(0), run(3), samples=200).to_dict()["pq"]
    assert worse["high"] < 0
    assert worse["low"] <= worse["difference"] <= worse["high"]
    assert worse["second"] - worse["first"] == pytest.approx(worse["difference"])
    better = compare(run(3), run(0), samples=200).to_dict()["pq"]
    assert better["difference"] == pytest.approx(-worse["difference"])
    assert better["low"] == pytest.approx(-worse["high"])


def test_pairing_narrows_the_interval():
    first, second = run(1), run(2)
    found = compare(first, second).to_dict()["pq"]
    low, high = first.intervals()["pq"]
    assert found["high"] - found["low"] < high - low


def test_files_are_read_back(tmp_path):
    evaluation = run(2)
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps(to_json(evaluation, samples=10)))
    found = read_evaluation(path)
    assert found.scores["pq"] == evaluation["pq"]
    assert found.scores["classes"]["plasma"]["pq"] == evaluation["classes"]["plasma"]["pq"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"protocol": "conic"}'])
def test_other_files_are_named(text, tmp_path):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(KaryoscopeError, match=r"other\.json") as caught:
        read_evaluation(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(KaryoscopeError, match="missing"):
        read_evaluation(tmp_path / "missing.json")


def test_runs_on_other_images_cannot_be_paired():
    with pytest.raises(KaryoscopeError, match="not scored on the same images"):
        compare(run(1), run(1, count=5))
