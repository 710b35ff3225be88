"""Laws of every protocol: what changes no nucleus changes no score; what is no value is refused."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.metrics import PROTOCOLS, Pair, score_pairs
from karyoscope.metrics.stored import to_json

LIZARD = Taxonomy.load("lizard")
maps = arrays(np.int64, (4, 5), elements=st.integers(0, 3)).map(
    lambda small: np.kron(small, np.ones((4, 4), np.int64))
)
drawn = maps.filter(np.any)
tables = st.lists(st.integers(1, 6), min_size=3, max_size=3).map(lambda c: np.array([0, *c]))
quick = settings(max_examples=15, deadline=None)


def scores(protocol, true, pred, true_classes, pred_classes, mpp=0.5):
    pair = Pair(true, pred, true_classes, pred_classes, name="a", source="a")
    found = to_json(score_pairs([pair], protocol, LIZARD, mpp))
    text = json.dumps(found, allow_nan=False)
    return {k: v for k, v in json.loads(text).items() if k not in ("mpp", "repeats")}


def same(one, other):
    """Whether two results are equal but for rounding."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return one == other


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(true=maps, pred=maps, of_true=tables, of_pred=tables)
@quick
def test_names_of_nuclei_and_background_change_no_score(protocol, true, pred, of_true, of_pred):
    before = scores(protocol, true, pred, of_true, of_pred)
    # In the same order, which decides between equally good pairs in the published programs.
    renamed = np.array([0, 2, 9, 15])
    classes = np.zeros(16, int)
    classes[renamed] = of_true
    assert same(scores(protocol, renamed[true], pred, classes, of_pred), before)
    # CoNIC counts nuclei in the central crop of the image, which padding on all sides may move.
    if protocol != "conic":
        wider = [np.pad(labels, ((8, 8), (4, 4))) for labels in (true, pred)]
        after = scores(protocol, *wider, of_true, of_pred)
        assert same(after.get("pq"), before.get("pq"))
        assert same(after.get("aji"), before.get("aji"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(true=drawn, classes=tables)
@quick
def test_the_truth_itself_has_the_best_scores(protocol, true, classes):
    found = scores(protocol, true, true, classes, classes)
    for name in ("pq", "dq", "sq", "aji", "aji_plus", "dice", "bpq", "f1"):
        value = found.get(name)
        assert value is None or value == pytest.approx(1, abs=1e-5)  # CoNIC adds 1e-6


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("mpp", [-0.5, 0, math.inf, "0.5", True, [0.5]])
def test_what_is_no_scale_is_refused(protocol, mpp):
    labels = np.eye(6, dtype=int)
    with pytest.raises(KaryoscopeError, match="mpp"):
        scores(protocol, labels, labels, np.array([0, 1]), np.array([0, 1]), mpp)


@pytest.mark.parametrize("value", [0.5, -1, math.nan, math.inf, 2.0**40])
def test_what_is_no_label_class_or_place_is_refused(value):
    labels = np.eye(6, dtype=int)
    with pytest.raises(KaryoscopeError, match="label map"):
        Pair(labels * value, labels)
    with pytest.raises(KaryoscopeError, match="classes"):
        Pair(labels, labels, np.array([0, value]), np.array([0, 1]))
    if not math.isfinite(value):
        with pytest.raises(KaryoscopeError, match="no number"):
            Pair(labels, labels, points=[[1, value, 1]])
