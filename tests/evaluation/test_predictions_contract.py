"""What every format of predictions must do; a new one inherits this by an entry in CASES."""

import pytest
from annotated_sets import CASES, make_sample, make_set

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.evaluation import (
    FORMATS,
    ScoringOptions,
    evaluate_predictions,
    open_predictions,
)


@pytest.fixture(scope="module")
def samples():
    return [make_sample(f"image_{k}", seed=k) for k in range(3)]


@pytest.fixture(scope="module")
def truth(samples, tmp_path_factory):
    return make_set(tmp_path_factory.mktemp("truth") / "data", samples)


def test_every_format_has_a_case():
    assert CASES.keys() == FORMATS.keys()


def forms(chosen=lambda case: True):
    """Parametrise by the formats whose cases are chosen."""
    return pytest.mark.parametrize("form", [n for n, case in CASES.items() if chosen(case)])


@forms()
def test_a_prediction_equal_to_the_truth_scores_one(form, samples, truth, tmp_path):
    found = open_predictions(CASES[form].write(tmp_path / "p", samples), truth)
    assert type(found) is FORMATS[form]
    outcome = evaluate_predictions(truth, found)
    assert not outcome.problems
    assert not outcome.notes
    assert outcome.images == 3
    assert outcome.evaluation["pq"] == pytest.approx(1, abs=1e-4)
    assert outcome.evaluation["aji"] == 1
    for of_class in outcome.evaluation.scores.get("classes", {}).values():
        assert of_class["pq"] == pytest.approx(1, abs=1e-4)


@forms()
def test_what_is_missing_or_too_many_is_named(form, samples, truth, tmp_path):
    extra = make_sample("stranger", seed=9)
    found = open_predictions(CASES[form].write(tmp_path / "p", [*samples[1:], extra]), truth)
    outcome = evaluate_predictions(truth, found)
    assert outcome.images == 2
    assert len(outcome.problems) == 1
    assert "image_0" in outcome.problems[0]
    assert len(outcome.notes) == 1
    assert "stranger" in outcome.notes[0]
    assert outcome.evaluation["pq"] == pytest.approx(1, abs=1e-4)


@forms(lambda case: case.by_image)
def test_another_size_is_named(form, samples, truth, tmp_path):
    larger = make_sample("image_0", 320, 320)
    found = open_predictions(CASES[form].write(tmp_path / "p", [larger, *samples[1:]]), truth)
    outcome = evaluate_predictions(truth, found)
    assert outcome.images == 2
    assert len(outcome.problems) == 1
    assert "image_0" in outcome.problems[0]
    assert "\n" not in outcome.problems[0]


@forms(lambda case: case.by_image)
def test_a_damaged_file_is_named(form, samples, truth, tmp_path):
    root = CASES[form].write(tmp_path / "p", samples)
    found = open_predictions(root, truth)
    damaged = found.files["image_1"]
    for path in damaged.rglob("*") if damaged.is_dir() else [damaged]:
        if path.is_file():
            path.write_bytes(b"not this")
    outcome = evaluate_predictions(truth, found)
    assert outcome.images == 2
    assert len(outcome.problems) == 1
    assert found.files["image_1"].name in outcome.problems[0]
    assert "\n" not in outcome.problems[0]


@forms(lambda case: case.strange_class)
def test_classes_of_another_taxonomy_are_named(form, samples, truth, tmp_path):
    case = CASES[form]
    strange = [make_sample("image_0", seed=3, taxonomy=Taxonomy.load("pannuke"))]
    strange[0].classes[1:] = case.strange_class
    root = case.write_numbers(tmp_path / "p", strange)
    with pytest.raises(
        KaryoscopeError, match=r"class .* is not in taxonomy 'lizard'.*--predicted-classes"
    ):
        evaluate_predictions(
            truth, open_predictions(root, truth), ScoringOptions(records=["image_0"])
        )


@forms(lambda case: case.states_classes)
def test_files_that_state_their_classes(form, truth, tmp_path):
    consep4 = Taxonomy.load("consep4")
    others = [make_sample(f"image_{k}", seed=k, taxonomy=consep4) for k in range(3)]
    found = open_predictions(CASES[form].write(tmp_path / "p", others), truth)
    outcome = evaluate_predictions(truth, found)
    assert not outcome.problems
    assert found.taxonomy == consep4
    assert outcome.evaluation.taxonomy.name == "consep4"
    assert "truth merged from lizard" in outcome.conventions["classes"]
    assert outcome.evaluation["pq"] == pytest.approx(1, abs=1e-4)


@forms(lambda case: case.drop_classes)
def test_predictions_without_classes_are_scored_without(form, samples, truth, tmp_path):
    root = CASES[form].write(tmp_path / "p", samples)
    CASES[form].drop_classes(root)
    outcome = evaluate_predictions(truth, open_predictions(root, truth))
    assert outcome.evaluation["pq"] == pytest.approx(1, abs=1e-4)
    assert "classes" not in outcome.evaluation.scores
    assert "without class" in outcome.conventions["classes"]
