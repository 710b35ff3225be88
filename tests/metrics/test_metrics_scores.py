"""What every metric and every protocol must declare of its scores."""

from dataclasses import replace

import numpy as np
import pytest

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.metrics import (
    PROTOCOLS,
    DetectionAccumulator,
    Evaluation,
    Pair,
    report_classes,
    report_set,
)

TAXONOMY = Taxonomy.load("lizard")
LABELS = np.array([[1, 1, 0, 2], [1, 1, 0, 2], [0, 0, 0, 0], [3, 3, 0, 0]])
CLASSES = np.array([0, 2, 3, 3])

every_protocol = pytest.mark.parametrize("name", PROTOCOLS)


def scored(name: str) -> Evaluation:
    evaluation = Evaluation(name, TAXONOMY, 0.5)
    for k, shift in enumerate((0, 1)):
        pred = np.roll(LABELS, shift, axis=1)
        evaluation.add(Pair(LABELS, pred, CLASSES, CLASSES, name=f"image {k}"))
    return evaluation


@every_protocol
def test_every_score_of_a_metric_is_declared(name):
    for part in scored(name).parts.values():
        found = part.scores()
        assert set(found.overall) == {score.name for score in part.set_scores}
        assert set(found.classes) == {score.name for score in part.class_scores}


def test_a_score_that_is_not_declared_is_refused_with_those_that_are():
    with pytest.raises(KaryoscopeError, match=r"set_scores has no score 'f1'; there are f_d, "):
        report_set("detection", DetectionAccumulator, "f1")
    with pytest.raises(KaryoscopeError, match=r"class_scores has no score 'f1'; there are f_c, "):
        report_classes("detection", DetectionAccumulator, mine=("f1", "F1"))


def test_a_headline_is_one_of_the_scores():
    with pytest.raises(KaryoscopeError, match=r"headline 'pq' is not a score of `overall`.* dice"):
        replace(PROTOCOLS["qu"], overall={"dice": None}, headlines=("pq",))


@every_protocol
def test_every_declaration_can_be_shown(name):
    protocol = PROTOCOLS[name]
    for reported in (*protocol.overall.values(), *protocol.classes.values()):
        score = reported.score
        assert score.title
        assert score.digits >= 0
        assert score.range[0] < score.range[1]
    for names in (protocol.overall, protocol.classes):
        assert all(reported.score.name == key for key, reported in names.items())
        titles = [r.score.title for r in names.values() if r.score.listed]
        assert len(set(titles)) == len(titles)


@every_protocol
def test_every_score_is_within_its_range(name):
    evaluation = scored(name)
    of_class = evaluation.scores.get("classes", {}).get("epithelial", {})
    for names, found in (
        (PROTOCOLS[name].overall, evaluation.scores),
        (PROTOCOLS[name].classes, of_class),
    ):
        assert set(names) == set(found) - {"classes"}
        for key, reported in names.items():
            low, high = reported.score.range
            assert np.isnan(found[key]) or low <= found[key] <= high + 1e-9, key


@every_protocol
def test_headlines_are_scores_and_classes_begin_with_a_quality(name):
    protocol = PROTOCOLS[name]
    assert set(protocol.headlines) <= set(protocol.overall)
    assert protocol.main(protocol.overall)
    listed = [r.score for r in protocol.classes.values() if r.score.listed]
    assert not (listed and listed[0].is_count)
