"""Tables of a card, in its page and in lines of the terminal."""

import pytest
from pydantic import ValidationError

from karyoscope.inference import Bundle, find_bundle
from karyoscope.inference.bundle import FoundAgain, ModelCard, Steadiness
from karyoscope.inference.card_tables import (
    score_line,
    steadiness_line,
    tables_of,
    with_tables,
)
from karyoscope.inference.readme import readme_of
from karyoscope.inference.rewrite import rewrite_bundle
from tiny_model import CARD, write_bundle

STEADINESS = Steadiness(
    images=("a", "b"),
    changes={
        "turns": FoundAgain(nuclei=10, found_again=0.9, class_kept=0.8),
        "flips": FoundAgain(nuclei=0, found_again=None),
    },
)


def card(**changes):
    return ModelCard.model_validate(CARD | changes)


def value(score, low=None, high=None):
    return {"score": score, "low": low, "high": high}


def test_scores_by_title_and_by_class():
    entry = {
        "protocol": "conic", "images": 3, "pq": value(0.5, 0.4, 0.6), "r2": value(-0.25),
        "class_pq": {"blue": value(0.25, 0.2, 0.3), "brown": value(0.75)},
    }  # fmt: skip
    lines = tables_of(card(scores={"mine": entry}))["scores"].splitlines()
    assert lines[0] == "| scored | protocol | images | PQ | R² |"
    assert lines[2] == "| mine | conic | 3 | 0.500 [0.400, 0.600] | -0.250 |"
    assert "| PQ by class | blue | brown |" in lines
    assert "| mine | 0.250 [0.200, 0.300] | 0.750 |" in lines


def test_training_data_by_class_tissue_and_annotation():
    source = {
        "name": "mine", "layout": "folder", "mpp": 0.25, "images": 2, "held_out": ["z"],
        "nuclei": {"blue": 1000, "brown": 2, "several": 3},
        "tissues": {"lung": {"images": 2, "nuclei": 1005}},
        "annotated": {"dark": 1005}, "ignored": {"macrophage": 4},
    }  # fmt: skip
    text = tables_of(card(training={"data": [source]}))["training data"]
    assert "| mine | folder | 0.25 | 2 | 1,000 | 2 | 3 |" in text
    assert "`several` may be" in text
    assert "| mine | lung | 2 | 1,005 |" in text
    assert "| mine | dark | 1,005 |" in text
    assert "Left out of mine: 4 nuclei of macrophage." in text
    assert "Held out of mine: 1 images (z)." in text


def test_parents_teachers_and_the_start_of_the_encoder():
    training = {
        "steps": 1200, "batch_size": 8, "encoder_start": "ImageNet weights",
        "parents": [{"name": "old", "version": "1"}],
        "teachers": [{"name": "large", "version": "2"}],
    }  # fmt: skip
    text = tables_of(card(training=training))["training"]
    assert text.startswith("1,200 steps of 8 tiles. Started from old 1.")
    assert "began with ImageNet weights" in text
    assert "taught by the predictions of large 2" in text


def test_the_line_of_scores_is_of_the_parameters_of_the_bundle():
    scores = {
        "set, before tuning": {"pq": value(0.1)},
        "set, before it was tuned": {"pq": value(0.2)},
        "set": {"pq": value(0.3, 0.2, 0.4)},
    }
    assert score_line(card(scores=scores)) == "PQ 0.300 [0.200, 0.400] on set"
    assert score_line(card(scores={"plain": {"note": 1}})) == ""
    assert score_line(card()) == ""


def test_steadiness_has_its_place_in_page_and_line():
    measured = card(steadiness=STEADINESS.model_dump())
    page = readme_of(measured)
    assert "## Steadiness" in page
    assert "| turns | 0.900 | 0.800 |" in page
    assert "| flips |  |  |" in page
    assert "2 images (a, b)" in page
    assert steadiness_line(STEADINESS) == "rotations by 90° 0.900"
    assert "Steadiness" not in readme_of(card())
    assert steadiness_line(None) == ""


def test_a_share_is_between_0_and_1():
    with pytest.raises(ValidationError):
        FoundAgain(nuclei=1, found_again=1.5)


def test_marks_are_filled_and_the_rest_of_a_page_stays():
    page = (
        "By hand.\n<!-- steadiness: begin -->\nold\n<!-- steadiness: end -->\n"
        "<!-- other: begin -->\nmine\n<!-- other: end -->\n"
    )
    now = with_tables(page, card(steadiness=STEADINESS.model_dump()))
    assert now.startswith("By hand.\n<!-- steadiness: begin -->\n| change of the image |")
    assert "old" not in now
    assert now.endswith("<!-- other: begin -->\nmine\n<!-- other: end -->\n")
    assert with_tables(now, card(steadiness=STEADINESS.model_dump())) == now
    assert with_tables("No marks.\n", card()) == "No marks.\n"


def test_a_bundle_without_steadiness_is_read_and_written_without_the_key(tmp_path):
    bundle = Bundle(write_bundle(tmp_path / "old"))
    assert bundle.card.steadiness is None
    again = rewrite_bundle(bundle, tmp_path / "again", {"version": "2"})
    assert "steadiness" not in (again / "model.yaml").read_text("utf-8")


def test_an_ensemble_keeps_its_steadiness(tmp_path):
    bundle = write_bundle(tmp_path / "one")
    both = find_bundle(f"{bundle},{bundle}")
    before = find_bundle(rewrite_bundle(both, tmp_path / "before", {}))
    assert "steadiness" not in (before.path / "model.yaml").read_text("utf-8")
    changes = {"steadiness": STEADINESS.model_dump(mode="json")}
    after = find_bundle(rewrite_bundle(both, tmp_path / "after", changes))
    assert after.card.steadiness == STEADINESS
    assert after.digest() == before.digest(), "nuclei do not depend on it"
    assert after.to_dict()["steadiness"]["changes"]["turns"]["found_again"] == 0.9
