"""Scoring of sets: patches, class sets, choices, models."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from annotated_sets import LIZARD, WRITERS, as_nuclei, make_sample, make_set

import karyoscope
from karyoscope import metrics
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Dataset, Record, open_dataset
from karyoscope.datasets.conic_patches import write_conic
from karyoscope.evaluation import (
    Prediction,
    Predictions,
    ScoringOptions,
    by_group,
    evaluate_model,
    evaluate_predictions,
    open_predictions,
)
from karyoscope.evaluation.predictions import model as model_predictions

DATA = Path(__file__).parents[1] / "data"


class Held(Dataset):
    """Samples in memory."""

    name = "held"

    def __init__(self, samples, taxonomy=LIZARD):
        self.samples = {s.record.name: s for s in samples}
        self.records = [s.record for s in samples]
        self.problems = []
        self.taxonomy = taxonomy
        self.mpp = samples[0].mpp

    def load(self, record):
        return self.samples[record.name]


class Shifted(Predictions):
    """The truth moved by a pixel, with the classes of some nuclei changed."""

    def __init__(self, truth, taxonomy=LIZARD):
        self.truth, self.taxonomy = truth, taxonomy

    def load(self, sample):
        raw = self.truth.samples[sample.record.name]
        classes = raw.classes.copy()
        classes[1::4] = self.taxonomy.ids[0]
        return Prediction(np.roll(raw.inst_map, 1, axis=1), classes)

    def describe(self):
        return "shifted"


def moved(sample):
    found = Shifted(Held([sample])).load(sample)
    return replace(sample, inst_map=found.inst_map, classes=found.classes)


def test_public_name_scores_pairs():
    assert karyoscope.score_pairs is metrics.score_pairs
    pair = metrics.Pair([[1, 1, 0, 2]], [[3, 3, 0, 0]], name="a")
    assert karyoscope.score_pairs([pair])["dq"] == pytest.approx(2 / 3)


def test_public_name_evaluates_a_dataset():
    truth = Held([make_sample(name, seed=k) for k, name in enumerate("ab")])
    heard = []
    options = ScoringOptions(patches=0)
    result = karyoscope.evaluate(
        truth,
        Shifted(truth),
        options=options,
        begin=heard.append,
        watch=lambda sample, prediction: heard.append(sample.record.name),
    )
    expected = evaluate_predictions(truth, Shifted(truth), options)
    np.testing.assert_equal(result.evaluation.scores, expected.evaluation.scores)
    assert heard == [len(truth), *[record.name for record in truth.records]]
    for wrong in ({}, {"model": "lizard"}):
        predictions = Shifted(truth) if wrong else None
        with pytest.raises(KaryoscopeError, match="either predictions or a model"):
            karyoscope.evaluate(truth, predictions, **wrong)


def test_patches_of_whole_images_are_those_of_the_challenge(tmp_path):
    shapes = [(256, 256), (300, 520), (200, 270), (130, 100)]
    samples = [make_sample(f"set_{k}", *shape, seed=k) for k, shape in enumerate(shapes)]
    truth = Held(samples)
    whole = evaluate_predictions(truth, Shifted(truth))
    write_conic(samples, tmp_path / "truth", LIZARD)
    write_conic([moved(s) for s in samples], tmp_path / "pred", LIZARD)
    arrays = open_dataset(tmp_path / "truth")
    found = open_predictions(tmp_path / "pred", arrays, "conic")
    patched = evaluate_predictions(arrays, found)
    assert whole.images == 4
    assert len(whole.evaluation) == len(patched.evaluation) == 1 + 6 + 2 + 1
    np.testing.assert_equal(whole.evaluation.scores, patched.evaluation.scores)
    assert 0.3 < whole.evaluation["mpq_plus"] < 0.99


def test_protocols_decide_on_patches():
    truth = Held([make_sample("a", 300, 300)])
    for protocol, count in (("conic", 4), ("pannuke", 1), ("hovernet", 1), ("qu", 1)):
        outcome = evaluate_predictions(truth, Shifted(truth), ScoringOptions(protocol))
        assert len(outcome.evaluation) == count
    assert (
        len(evaluate_predictions(truth, Shifted(truth), ScoringOptions(patches=0)).evaluation) == 1
    )
    with pytest.raises(KaryoscopeError, match="patches must be 256"):
        ScoringOptions(patches=128)
    with pytest.raises(KaryoscopeError, match="no protocol 'aji'"):
        ScoringOptions("aji")


def test_class_sets_meet_where_both_can_be_told():
    pannuke = Taxonomy.load("pannuke")
    truth = Held([make_sample("a", seed=1)])
    outcome = evaluate_predictions(truth, Shifted(truth, pannuke), ScoringOptions("pannuke"))
    assert outcome.evaluation.taxonomy.name == "consep4"
    assert (
        "truth merged from lizard; prediction merged from pannuke"
        in (outcome.conventions["classes"])
    )
    nucleus = Taxonomy.load("nucleus")
    sample = make_sample("a", seed=1, taxonomy=nucleus)
    truth = Held([sample], nucleus)
    outcome = evaluate_predictions(truth, Shifted(truth, LIZARD))
    assert outcome.evaluation.taxonomy.name == "nucleus"


def test_choice_of_images():
    truth = Held([make_sample(name, seed=k) for k, name in enumerate("abc")])
    seen = []
    outcome = evaluate_predictions(
        truth,
        Shifted(truth),
        ScoringOptions(records=["c", "a", "z"]),
        lambda s, p: seen.append(s.record),
    )
    assert [record.name for record in seen] == ["a", "c"]
    assert outcome.images == 2
    assert outcome.problems == ["no image z in the truth"]
    with pytest.raises(KaryoscopeError, match="no image could be scored; no image z"):
        evaluate_predictions(truth, Shifted(truth), ScoringOptions(records=["z"]))


def test_ignored_pixels_and_unlabelled_nuclei_are_no_errors():
    sample = make_sample("a", seed=5)
    ignore = np.zeros((256, 256), bool)
    ignore[:, 128:] = True
    halved = replace(sample, inst_map=np.where(ignore, 0, sample.inst_map), ignore=ignore)
    truth = Held([halved])
    full = Shifted(Held([sample]))
    outcome = evaluate_predictions(truth, full)
    assert len(outcome.evaluation.parts["panoptic"].counts) == 1
    _, fp, fn, _ = outcome.evaluation.parts["panoptic"].counts[0, 0]
    assert fp == fn == 0


def test_points_are_scored_by_hovernet_alone():
    sample = make_sample("a")
    points = np.column_stack([as_nuclei(sample).x, as_nuclei(sample).y, sample.classes[1:]])
    truth = Held([replace(sample, inst_map=np.zeros_like(sample.inst_map), points=points)])
    found = Shifted(Held([sample]))
    outcome = evaluate_predictions(truth, found, ScoringOptions("hovernet"))
    assert outcome.evaluation["f_d"] == 1
    with pytest.raises(KaryoscopeError, match=r"truth is points.*use hovernet"):
        evaluate_predictions(truth, found)


def test_lengths_need_one_scale():
    samples = [make_sample("a"), replace(make_sample("b"), mpp=0.25)]
    truth = Held(samples)
    outcome = evaluate_predictions(truth, Shifted(truth), ScoringOptions("hovernet"))
    assert outcome.images == 1
    assert "b: has 0.25 µm/px, the set is scored at 0.5" in outcome.problems[0]
    assert evaluate_predictions(truth, Shifted(truth)).images == 2


def test_groups():
    samples = [
        replace(make_sample(name, seed=k), record=Record(name, source, cohort))
        for k, (name, source, cohort) in enumerate(
            [("a", "s", "x"), ("b", "s", "y"), ("c", "t", "y")]
        )
    ]
    truth = Held(samples)
    evaluation = evaluate_predictions(truth, Shifted(truth)).evaluation
    assert {k: len(v) for k, v in by_group(evaluation, "cohort").items()} == {"x": 1, "y": 2}
    groups = by_group(evaluation, "source")
    assert {k: len(v) for k, v in groups.items()} == {"s": 2, "t": 1}
    alone = evaluate_predictions(truth, Shifted(truth), ScoringOptions(records=["c"])).evaluation
    np.testing.assert_equal(groups["t"].scores, alone.scores)
    with pytest.raises(KaryoscopeError, match="by must be cohort or source"):
        by_group(evaluation, "slide")


def fake_model(validation):
    training = {"validation": validation}
    card = SimpleNamespace(name="fake", version="3", training=training, counting=None)
    return SimpleNamespace(bundle=SimpleNamespace(card=card), tta=4, taxonomy=LIZARD)


def test_model_is_scored_on_the_grid_of_the_truth(monkeypatch):
    samples = [make_sample(name, 300, 260, seed=k) for k, name in enumerate("ab")]
    truth = Held(samples)
    by_pixels = {s.image.tobytes(): s for s in samples}
    seen = []

    def segment(image, mpp, model, stain=None):
        seen.append(mpp)
        return as_nuclei(by_pixels[image.tobytes()])

    monkeypatch.setattr(model_predictions, "segment", segment)
    outcome = evaluate_model(truth, fake_model(["a", "b"]))
    assert seen == [0.5, 0.5]
    assert outcome.evaluation["mpq_plus"] == pytest.approx(1, abs=1e-4)
    assert outcome.predictions == "model fake 3, mean of 4 views"
    assert not outcome.notes
    assert "1 of 2 images are not among" in evaluate_model(truth, fake_model(["b"])).notes[0]
    assert not evaluate_model(truth, fake_model(["b"]), ScoringOptions(records=["b"])).notes
    assert not evaluate_model(truth, fake_model(None)).notes


def test_model_needs_a_scale():
    truth = Held([replace(make_sample("a"), mpp=float("nan"))])
    with pytest.raises(KaryoscopeError, match="a: micrometres per pixel unknown; give --mpp"):
        evaluate_model(truth, fake_model(None))


@pytest.mark.parametrize("name", ["dsb2018", "nucls"])
def test_real_annotations_score_one_against_themselves(name, tmp_path):
    truth = open_dataset(DATA / name, mpp=0.5)
    samples = list(truth)
    found = open_predictions(WRITERS["images"](tmp_path, samples), truth)
    outcome = evaluate_predictions(truth, found)
    assert outcome.images == len(samples) >= 2
    assert outcome.evaluation["dice"] == 1
    assert outcome.evaluation["aji"] == 1
    assert outcome.evaluation["pq"] == pytest.approx(1, abs=1e-4)


def test_whole_lizard_images_against_their_outlines(shared, tmp_path):
    truth = open_dataset(shared / "data" / "lizard")
    names = [r.name for r in truth.records][:2]
    chosen = [truth.load(r) for r in truth.records if r.name in names]
    found = open_predictions(WRITERS["mat"](tmp_path, chosen), truth)
    outcome = evaluate_predictions(truth, found, ScoringOptions(records=names))
    assert outcome.images == 2
    assert outcome.evaluation["mpq_plus_present"] == pytest.approx(1, abs=1e-4)


def test_set_from_a_folder_says_what_was_scored(tmp_path):
    truth = make_set(tmp_path / "truth", [make_sample("a", 300, 300), make_sample("b", seed=1)])
    root = WRITERS["images"](tmp_path / "pred", [moved(truth.load(r)) for r in truth.records])
    outcome = evaluate_predictions(truth, open_predictions(root, truth))
    data = outcome.to_dict("source", samples=20)
    assert data["scored"]["truth"] == f"folder {tmp_path / 'truth'}"
    assert data["scored"]["predictions"] == f"label images in {root}"
    assert (data["scored"]["images"], data["scored"]["sources"], data["images"]) == (2, 2, 5)
    assert data["groups"]["by"] == "source"
    assert data["groups"]["scores"]["a"]["images"] == 4
    assert "256 px patches" in data["conventions"]["set"]["images"]
