"""Comparison of two runs: equal, better, not comparable."""

import json

import numpy as np
import pytest
from annotated_sets import LIZARD, make_sample

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.evaluation import compare, read_evaluation
from karyoscope.metrics import (
    PROTOCOLS,
    CompositionAccumulator,
    Evaluation,
    Pair,
    ScoringProtocol,
    report_set,
    to_json,
)

NUCLEUS = Taxonomy.load("nucleus")


def run(
    shift: int, count: int = 6, protocol: str = "conic", taxonomy: Taxonomy | None = LIZARD
) -> Evaluation:
    """Predictions moved by some pixels."""
    evaluation = Evaluation(protocol, taxonomy, 0.5)
    for k in range(count):
        sample = make_sample(str(k), 96, 96, seed=k)
        moved = np.roll(sample.inst_map, shift, axis=1)
        classes = np.minimum(sample.classes, 1) if taxonomy is NUCLEUS else sample.classes
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


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
@pytest.mark.parametrize("others", [NUCLEUS, None], ids=["nucleus", "without classes"])
def test_scores_without_classes_are_compared_between_class_sets(protocol, others):
    same = compare(*(run(k, 4, protocol) for k in (1, 2)), samples=50).to_dict()
    for outlines_first in (True, False):
        sets = (others, LIZARD) if outlines_first else (LIZARD, others)
        runs = [run(k + 1, 4, protocol, taxonomy) for k, taxonomy in enumerate(sets)]
        found = compare(*runs, samples=50).to_dict()
        bare = run(1, 4, protocol, None).scores
        assert found.keys() - {"protocol", "images", "remark"} == bare.keys()
        for name in bare:
            np.testing.assert_equal(found[name], same[name])
        assert "'lizard' (neutrophil, epithelial" in found["remark"]
        assert ("'nucleus' (nucleus)" if others else "no classes") in found["remark"]
    assert "remark" not in same


def test_runs_without_a_common_score_name_both_class_sets(monkeypatch):
    protocol = ScoringProtocol(
        name="counts",
        repeats="nobody's figures",
        needs_mpp=False,
        build=lambda taxonomy, mpp: (
            {"counts": CompositionAccumulator(taxonomy)} if taxonomy else {}
        ),
        overall=report_set("counts", CompositionAccumulator, "r2"),
    )
    monkeypatch.setitem(PROTOCOLS, "counts", protocol)
    runs = [run(1, protocol="counts", taxonomy=taxonomy) for taxonomy in (NUCLEUS, LIZARD)]
    with pytest.raises(KaryoscopeError, match=r"no score in common.*'nucleus'.*'lizard'"):
        compare(*runs, samples=10)
