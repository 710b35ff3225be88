"""The cards of the shipped models: what they state, and that their pages state the same."""

import hashlib
from importlib.resources import files
from pathlib import Path

import pytest

from karyoscope.datasets.split import read_split
from karyoscope.inference import find_bundle, shipped_models
from karyoscope.inference.card_tables import tables_of, with_tables

SETS = {"lizard": "conic", "kumar": "hovernet", "consep": "hovernet"}
OTHER = {"several", "unclassified"}


@pytest.fixture(params=shipped_models())
def bundle(request):
    return find_bundle(request.param)


def parts_of(name):
    return read_split(files("karyoscope") / "recipes" / f"{name}.split.json").parts


def page_of(bundle):
    return (bundle.path / "README.md").read_text("utf-8")


def test_the_page_has_the_tables_of_the_card(bundle):
    page = page_of(bundle)
    for name, text in tables_of(bundle.card).items():
        assert f"<!-- {name}: begin -->\n{text}\n<!-- {name}: end -->" in page
    assert with_tables(page, bundle.card) == page


def test_a_change_of_the_card_changes_the_page(bundle):
    scores = {**bundle.card.scores}
    title = next(iter(scores))
    scores[title] = scores[title] | {"pq": {"score": 0.123, "low": 0.1, "high": 0.2}}
    changed = with_tables(page_of(bundle), bundle.card.model_copy(update={"scores": scores}))
    assert f"| {title} | " in changed
    assert "0.123 [0.100, 0.200]" in changed
    assert "0.123 [0.100, 0.200]" not in page_of(bundle)


def test_files_are_those_of_the_card(bundle):
    for name, digest in bundle.card.files.items():
        data = (bundle.path / name).read_bytes()
        if name == "README.md":
            data = data.replace(b"\r\n", b"\n")
        assert hashlib.sha256(data).hexdigest() == digest


def test_every_data_set_has_its_counts_by_class_and_tissue(bundle):
    names = {*bundle.taxonomy.names}
    for source in bundle.card.training["data"]:
        nuclei = source["nuclei"]
        assert names <= nuclei.keys() <= names | OTHER
        assert sum(nuclei.values()) > 0
        tissues = source["tissues"]
        assert sum(row["nuclei"] for row in tissues.values()) == sum(nuclei.values())
        assert sum(row["images"] for row in tissues.values()) == source["images"]
        if "annotated" in source:
            assert sum(source["annotated"].values()) == sum(nuclei.values())


def test_held_out_images_are_named(bundle):
    by_name = {source["name"]: source for source in bundle.card.training["data"]}
    page = page_of(bundle)
    for name in SETS:
        parts = parts_of(name)
        assert {*parts["validation"]} <= {*by_name[name]["held_out"]}
        assert len(parts["train"]) == by_name[name]["images"]
        assert all(image in page for image in by_name[name]["held_out"])
    validation = parts_of("lizard")["validation"]
    assert {*bundle.card.training["validation"]} == {*validation}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_scores_have_intervals_before_and_after_tuning(bundle, name, when):
    entry = bundle.card.scores[f"{name}, validation, {when} tuning"]
    held = parts_of(name)["validation"]
    assert entry["images"] == len(held)
    assert entry["protocol"] == SETS[name]
    assert name in entry["data"]
    assert bundle.card.name in entry["command"]
    scores = ["pq", "dq", "sq", "aji"] + (["mpq_plus", "r2"] if name == "lizard" else [])
    for value in [*(entry[score] for score in scores), *entry["class_pq"].values()]:
        assert value["low"] <= value["score"] <= value["high"]
        assert value["high"] <= 1
    if name == "lizard":
        assert {*entry["class_pq"]} == {*bundle.taxonomy.names}


def test_tuning_changed_the_classes_alone(bundle):
    assert {*bundle.card.postprocessing.params} == {"class_weights"}
    for name in SETS:
        before, after = (
            bundle.card.scores[f"{name}, validation, {when} tuning"] for when in ("before", "after")
        )
        assert before["pq"] == after["pq"]


def test_steadiness_is_measured_on_held_out_images(bundle):
    steadiness = bundle.card.steadiness
    assert {*steadiness.images} <= {*bundle.card.training["validation"]}
    assert len(steadiness.images) == 6
    assert {"turns", "flips", "brightness", "stain"} <= steadiness.changes.keys()
    for row in steadiness.changes.values():
        assert row.nuclei > 1000
        assert 0.8 < row.found_again <= 1
        assert 0.8 < row.class_kept <= 1


def test_parents_are_named(bundle):
    parents = {"lizard": ["lizard 3", "lizard 2"], "lizard-large": ["lizard-large 1"]}
    parents = parents[bundle.card.name]
    training = bundle.card.training
    assert [f"{p['name']} {p['version']}" for p in training["parents"]] == parents
    assert "ImageNet" in training["encoder_start"]
    page = page_of(bundle)
    assert all(f"Started from {parent}." in page for parent in parents)


def test_the_page_of_models_has_the_figures_of_the_card(bundle):
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text("utf-8")
    scores = bundle.card.scores["lizard, validation, after tuning"]
    pq, mpq_plus, r2 = (scores[name]["score"] for name in ("pq", "mpq_plus", "r2"))
    column = shipped_models().index(bundle.card.name) + 2
    shown = {
        row.split("|")[1].strip(): row.split("|")[column].strip()
        for row in page.splitlines()
        if row.startswith("| ")
    }
    found = shown["PQ, mPQ+, R² on 18 validation images of Lizard"]
    assert found == f"{pq:.3f}, {mpq_plus:.3f}, {r2:.2f}"
    turns = bundle.card.steadiness.changes["turns"].found_again
    assert shown["nuclei found again after rotations by 90°"] == f"{turns:.3f}"
