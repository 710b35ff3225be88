"""Class sets that have only outlines in common, and what brings them together."""

import re
from dataclasses import replace

import pytest
from annotated_sets import WRITERS, make_sample, make_set
from typer.testing import CliRunner

from karyoscope.cli import evaluate as command
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.core.yaml import parse_yaml
from karyoscope.evaluation import evaluate_predictions, open_predictions

CLASSES = [
    {"id": 1, "name": "Tumour", "color": [213, 94, 0]},
    {"id": 2, "name": "Immune", "color": [0, 114, 178]},
]
MINE = Taxonomy.from_dict({"name": "mine", "classes": CLASSES})
SAMPLE = make_sample("image_0", taxonomy=MINE)


@pytest.fixture
def predicted(tmp_path):
    return WRITERS["parquet"](tmp_path / "p", [make_sample("image_0")])


def test_the_command_says_in_one_line_that_only_outlines_are_scored(predicted, tmp_path):
    make_set(tmp_path / "truth", [SAMPLE])
    arguments = [str(predicted), "--truth", str(tmp_path / "truth"), "--json"]
    result = CliRunner().invoke(command.app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("karyoscope: only outlines are scored")
    assert "'mine' (Tumour, Immune)" in line
    assert "'lizard' (neutrophil, epithelial" in line
    assert "write to taxonomy 'mine': `merges: {lizard: {Tumour: ..., Immune: ...}}`" in line


def test_the_lines_that_it_names_let_classes_be_compared(predicted, tmp_path):
    truth = make_set(tmp_path / "truth", [SAMPLE])
    (note,) = evaluate_predictions(truth, open_predictions(predicted, truth)).notes
    lines = re.findall(r"`(merges: [^`]+)`", note)
    assert [re.search(r"\{(\w+):", line)[1] for line in lines] == ["lizard", "consep4"]
    for number, line in enumerate(lines):
        filled = line.replace("...", "epithelial", 1)
        other = re.search(re.escape(line) + "`, each with one of ([^;]*?)( or |$)", note)[1]
        name = other.split(", ")[0]
        assert name in Taxonomy.load(re.search(r"\{(\w+):", line)[1]).names
        merges = parse_yaml(filled.replace("...", name).encode(), "line")["merges"]
        taxonomy = replace(MINE, merges=merges)
        merged = make_set(tmp_path / f"{number}", [replace(SAMPLE, taxonomy=taxonomy)])
        outcome = evaluate_predictions(merged, open_predictions(predicted, merged))
        assert outcome.evaluation.taxonomy.name in merges
        assert not outcome.notes


def test_predictions_of_ones_own_classes_are_what_is_merged(tmp_path):
    truth = make_set(tmp_path / "truth", [make_sample("image_0")])
    predicted = WRITERS["parquet"](tmp_path / "p", [SAMPLE])
    (note,) = evaluate_predictions(truth, open_predictions(predicted, truth)).notes
    assert "write to taxonomy 'mine': `merges: {lizard:" in note


@pytest.mark.parametrize("name", ["nucleus", "consep4", "lizard"])
def test_nothing_is_said_where_classes_meet_or_one_side_has_none(name, predicted, tmp_path):
    truth = make_set(tmp_path / "truth", [make_sample("image_0", taxonomy=Taxonomy.load(name))])
    assert not evaluate_predictions(truth, open_predictions(predicted, truth)).notes
