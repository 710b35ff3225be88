"""Classes that files of predictions state, and a truth that has none."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from annotated_sets import LIZARD, WRITERS, make_sample, make_set, write_images, write_mat

from karyoscope.core.taxonomy import Taxonomy
from karyoscope.evaluation import FORMATS, evaluate, evaluate_predictions, open_predictions


@pytest.fixture(scope="module")
def samples():
    return [make_sample(f"image_{k}", seed=k) for k in range(3)]


@pytest.fixture(scope="module")
def truth(samples, tmp_path_factory):
    return make_set(tmp_path_factory.mktemp("truth") / "data", samples)


def test_geojson_of_karyoscope_against_classes_of_ones_own(samples, tmp_path):
    mine = Taxonomy.from_dict(
        {
            "name": "mine",
            "classes": [
                {"id": 1, "name": "Tumour", "color": [213, 94, 0]},
                {"id": 2, "name": "Immune", "color": [0, 114, 178]},
            ],
        }
    )
    own = make_set(tmp_path / "own", [make_sample("image_0", taxonomy=mine)])
    scores = {}
    for form in ("geojson", "parquet"):
        found = open_predictions(WRITERS[form](tmp_path / form, samples[:1]), own)
        scores[form] = evaluate_predictions(own, found).evaluation["classes"]["nucleus"]
    assert scores["geojson"] == pytest.approx(scores["parquet"], nan_ok=True)
    assert scores["geojson"]["pq"] == pytest.approx(1, abs=1e-4)


def _edit_geojson(path, edit):
    data = json.loads(path.read_text("utf-8"))
    edit(data)
    path.write_text(json.dumps(data))


def test_geojson_of_qupath_has_the_classes_of_the_truth(samples, truth, tmp_path):
    root = WRITERS["geojson"](tmp_path / "p", samples)
    for path in root.glob("*.geojson"):
        _edit_geojson(path, lambda data: data.pop("metadata"))
    found = open_predictions(root, truth)
    assert found.taxonomy == LIZARD
    assert evaluate_predictions(truth, found).evaluation["mpq_plus"] == pytest.approx(1, abs=1e-4)


def _rename_a_class(data):
    data["features"][0]["properties"]["classification"]["name"] = "Tumour"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_rename_a_class, "none of the classes that the file states, neutrophil, epi"),
        (lambda data: data["metadata"].update(taxonomy=3), "a taxonomy needs a name and classes"),
        (
            lambda data: data["metadata"]["taxonomy"].update(name="other"),
            r"its classes \(other\) are not those of the other files",
        ),
    ],
)
def test_geojson_that_contradicts_itself_is_named(edit, message, samples, truth, tmp_path):
    root = WRITERS["geojson"](tmp_path / "p", samples)
    _edit_geojson(root / "image_1.geojson", edit)
    outcome = evaluate_predictions(truth, open_predictions(root, truth))
    assert outcome.images == 2
    assert len(outcome.problems) == 1
    assert re.search(rf"image_1\.geojson: .*{message}", outcome.problems[0])


@pytest.mark.parametrize("form", FORMATS)
def test_against_a_truth_without_classes_only_outlines_are_scored(form, samples, tmp_path):
    nucleus = Taxonomy.load("nucleus")
    plain = [
        replace(s, classes=(s.classes > 0).astype(np.uint8), taxonomy=nucleus) for s in samples
    ]
    outlines = make_set(tmp_path / "truth", plain)
    samples = [replace(s, classes=s.classes.copy()) for s in samples]
    samples[0].classes[1] = 0  # not classified
    found = open_predictions(WRITERS[form](tmp_path / "p", samples), outlines)
    outcome = evaluate_predictions(outlines, found)
    assert not outcome.problems
    assert outcome.evaluation["pq"] == pytest.approx(1, abs=1e-4)
    of_class = outcome.evaluation["classes"]
    assert list(of_class) == ["nucleus"]
    assert of_class["nucleus"]["tp"] == 3 * 64 - 1
    # The others state their class set, which the conventions name.
    states = form in ("parquet", "spatialdata", "geojson")
    assert ("prediction merged from lizard" in outcome.conventions["classes"]) == states
    assert len(outcome.notes) == (not states)
    for note in outcome.notes:
        assert note.startswith("only outlines are scored: the truth has no classes")
        assert "plasma" in note or "2, 3, 4, 5, 6" in note


def test_classes_of_qupath_are_left_out_where_the_truth_has_none(samples, tmp_path):
    maps = tmp_path / "truth"
    maps.mkdir()
    np.save(maps / "image_0.npy", samples[0].inst_map)
    path = WRITERS["geojson"](tmp_path / "p", samples[:1]) / "image_0.geojson"
    _edit_geojson(path, lambda data: data.pop("metadata"))
    _edit_geojson(path, _rename_a_class)
    outcome = evaluate(maps, path)
    assert outcome.evaluation["pq"] == pytest.approx(1, abs=1e-4)
    assert len(outcome.notes) == 1
    assert "tumour" in outcome.notes[0]


def test_class_ids_of_a_truth_of_label_maps_are_left_out_without_names(samples, tmp_path):
    write_mat(tmp_path / "truth", samples)
    exact = write_images(tmp_path / "p", samples)
    assert evaluate(tmp_path / "truth", exact).evaluation["pq"] == pytest.approx(1, abs=1e-4)
