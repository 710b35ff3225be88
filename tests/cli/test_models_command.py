"""``karyoscope models``, and the group of commands itself."""

import json
from pathlib import Path

import pytest

from karyoscope import __version__
from karyoscope.cli import VERBS
from karyoscope.inference import find_bundle, shipped_models


def test_every_shipped_model_is_listed(run):
    result = run("models")
    assert result.code == 0
    assert result.err == ""
    for name in shipped_models():
        assert name in result.out


def test_scores_and_steadiness_have_a_line_each(run):
    result = run("models")
    for name in shipped_models():
        card = find_bundle(name).card
        pq = next(e["pq"] for t, e in card.scores.items() if t.endswith("after tuning"))
        line = f"PQ {pq['score']:.3f} [{pq['low']:.3f}, {pq['high']:.3f}] on lizard, validation"
        assert f"  scores   {line}" in result.out
        turns = card.steadiness.changes["turns"].found_again
        assert f"  robust   rotations by 90° {turns:.3f}, flips" in result.out
    pages = Path(__file__).parents[2] / "docs"
    assert result.out in (pages / "models.md").read_text("utf-8"), "the page shows this output"


def test_lines_without_figures_are_left_out(run, tiny_bundle):
    result = run("models", tiny_bundle)
    assert result.code == 0
    assert "scores" not in result.out
    assert "robust" not in result.out


def test_json(run):
    result = run("models", "--json")
    assert result.code == 0
    cards = json.loads(result.out)
    assert [card["name"] for card in cards] == shipped_models()
    for card in cards:
        assert card["mpp"] > 0
        assert card["licence"]
        assert [c["name"] for c in card["taxonomy"]["classes"]]
        own = find_bundle(card["name"]).card
        assert card["training"] == own.training
        assert card["steadiness"] == own.steadiness.model_dump(mode="json")
        assert card["members"] == []


def test_version(run):
    assert run("--version").out == f"karyoscope {__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []])
def test_help_names_every_verb(run, arguments):
    result = run(*arguments)
    assert result.code == (0 if arguments else 2)
    text = result.out + result.err
    for verb, help_line in VERBS.items():
        assert verb in text
        assert help_line.split()[0] in text


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb(run, verb):
    result = run(verb, "--help")
    assert result.code == 0
    assert result.err == ""
    assert f"karyoscope {verb}" in result.out


def test_bundles_and_ensembles_are_described(run, tiny_bundle):
    result = run("models", tiny_bundle, f"{tiny_bundle},{tiny_bundle}")
    assert result.code == 0
    assert "tiny 1: Thresholds of colour." in result.out
    assert "tiny+tiny 1+1: Mean of the maps of 2 models." in result.out
    assert result.out.count("  member   tiny 1") == 2
    (card,) = json.loads(run("models", "--json", f"{tiny_bundle},{tiny_bundle}").out)
    assert card["members"] == ["tiny", "tiny"]
    assert card["counting"] is None
    missing = run("models", "no/such")
    assert missing.code == 1
    assert "no model 'no/such'" in missing.err
