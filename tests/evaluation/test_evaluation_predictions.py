"""What every format of predictions must do; a new one inherits this by a line in WRITERS."""

import csv

import cv2
import numpy as np
import pytest
import scipy.io
from annotated_sets import LIZARD, WRITERS, exported, make_sample, make_set, write_images, write_mat

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.evaluation import FORMATS, ScoringOptions, evaluate_predictions, open_predictions
from karyoscope.evaluation.predictions.conic import ConicArray


@pytest.fixture(scope="module")
def samples():
    return [make_sample(f"image_{k}", seed=k) for k in range(3)]


@pytest.fixture(scope="module")
def truth(samples, tmp_path_factory):
    return make_set(tmp_path_factory.mktemp("truth") / "data", samples)


def test_every_format_has_a_writer():
    assert WRITERS.keys() == FORMATS.keys()


@pytest.mark.parametrize("form", FORMATS)
def test_a_prediction_equal_to_the_truth_scores_one(form, samples, truth, tmp_path):
    found = open_predictions(WRITERS[form](tmp_path / "p", samples), truth)
    assert type(found) is FORMATS[form]
    outcome = evaluate_predictions(truth, found)
    assert not outcome.problems
    assert not outcome.notes
    assert outcome.images == 3
    assert outcome.evaluation["pq"] == pytest.approx(1, abs=1e-4)
    assert outcome.evaluation["aji"] == 1
    for of_class in outcome.evaluation.scores.get("classes", {}).values():
        assert of_class["pq"] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_missing_or_too_many_is_named(form, samples, truth, tmp_path):
    extra = make_sample("stranger", seed=9)
    found = open_predictions(WRITERS[form](tmp_path / "p", [*samples[1:], extra]), truth)
    outcome = evaluate_predictions(truth, found)
    assert outcome.images == 2
    assert len(outcome.problems) == 1
    assert "image_0" in outcome.problems[0]
    assert len(outcome.notes) == 1
    assert "stranger" in outcome.notes[0]
    assert outcome.evaluation["pq"] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "conic"])
def test_another_size_is_named(form, samples, truth, tmp_path):
    larger = make_sample("image_0", 320, 320)
    found = open_predictions(WRITERS[form](tmp_path / "p", [larger, *samples[1:]]), truth)
    outcome = evaluate_predictions(truth, found)
    assert outcome.images == 2
    assert len(outcome.problems) == 1
    assert "image_0" in outcome.problems[0]
    assert "\n" not in outcome.problems[0]


def test_two_files_for_one_image_are_refused(samples, truth, tmp_path):
    root = WRITERS["images"](tmp_path / "p", samples)
    (first,) = root.glob("image_0.*[!v]")
    np.save(root / "image_0_mask.npy", samples[1].inst_map)
    with pytest.raises(KaryoscopeError, match="image_0; keep one") as caught:
        open_predictions(root, truth)
    assert first.name in str(caught.value)


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "conic"])
def test_a_damaged_file_is_named(form, samples, truth, tmp_path):
    root = WRITERS[form](tmp_path / "p", samples)
    found = open_predictions(root, truth)
    found.files["image_1"].write_bytes(b"not this")
    outcome = evaluate_predictions(truth, found)
    assert outcome.images == 2
    assert len(outcome.problems) == 1
    assert found.files["image_1"].name in outcome.problems[0]
    assert "\n" not in outcome.problems[0]


@pytest.mark.parametrize("form", ["images", "mat", "conic", "conic-files", "geojson", "labels"])
def test_classes_of_another_taxonomy_are_named(form, samples, truth, tmp_path):
    strange = [make_sample("image_0", seed=3, taxonomy=Taxonomy.load("pannuke"))]
    strange[0].classes[1:] = 1 if form in ("geojson", "labels", "images") else 99
    if form in ("mat", "conic"):
        root = WRITERS[form](tmp_path / "p", strange)
    elif form == "conic-files":
        root = tmp_path / "p"
        root.mkdir()
        pair = np.stack([strange[0].inst_map, strange[0].class_map], -1)[None]
        np.save(root / "image_0.conic.npy", pair)
    else:
        root = WRITERS[form](tmp_path / "p", strange)
    with pytest.raises(
        KaryoscopeError, match=r"class .* is not in taxonomy 'lizard'.*--predicted-classes"
    ):
        evaluate_predictions(
            truth, open_predictions(root, truth), ScoringOptions(records=["image_0"])
        )


def test_parquet_states_its_own_classes(truth, tmp_path):
    consep4 = Taxonomy.load("consep4")
    others = [make_sample(f"image_{k}", seed=k, taxonomy=consep4) for k in range(3)]
    found = open_predictions(WRITERS["parquet"](tmp_path / "p", others), truth)
    outcome = evaluate_predictions(truth, found)
    assert found.taxonomy == consep4
    assert outcome.evaluation.taxonomy.name == "consep4"
    assert "truth merged from lizard" in outcome.conventions["classes"]
    assert outcome.evaluation["pq"] == pytest.approx(1, abs=1e-4)


def test_classes_can_be_given(truth, tmp_path):
    consep4 = Taxonomy.load("consep4")
    others = [make_sample("image_0", seed=0, taxonomy=consep4)]
    root = WRITERS["mat"](tmp_path / "p", others)
    found = open_predictions(root, truth, taxonomy=consep4)
    outcome = evaluate_predictions(truth, found, ScoringOptions(records=["image_0"]))
    assert outcome.evaluation.taxonomy.name == "consep4"


@pytest.mark.parametrize("form", ["images", "mat", "labels"])
def test_predictions_without_classes_are_scored_without(form, samples, truth, tmp_path):
    root = WRITERS[form](tmp_path / "p", samples)
    for table in root.glob("*.csv"):
        table.unlink()
    for path in root.glob("*.mat"):
        scipy.io.savemat(path, {"inst_map": scipy.io.loadmat(path)["inst_map"]})
    outcome = evaluate_predictions(truth, open_predictions(root, truth))
    assert outcome.evaluation["pq"] == pytest.approx(1, abs=1e-4)
    assert "classes" not in outcome.evaluation.scores
    assert "without class" in outcome.conventions["classes"]


def test_one_table_of_classes_that_is_missing_is_named(samples, truth, tmp_path):
    root = write_images(tmp_path / "p", samples)
    (root / "image_2.csv").unlink()
    outcome = evaluate_predictions(truth, open_predictions(root, truth))
    assert outcome.images == 2
    assert "image_2.csv" in outcome.problems[0]


def test_names_of_label_images_may_end_in_mask(samples, truth, tmp_path):
    root = write_images(tmp_path / "p", samples)
    for path in list(root.iterdir()):
        path.rename(path.with_name(f"{path.stem}_mask{path.suffix}"))
    assert open_predictions(root, truth).names == ("image_0", "image_1", "image_2")


def test_everything_that_segment_writes_in_one_folder(samples, truth, tmp_path):
    for form in ("geojson", "csv", "labels", "parquet"):
        exported(form)(tmp_path / form, samples)
        for path in (tmp_path / form).iterdir():
            path.replace(tmp_path / path.name)
    cv2.imwrite(str(tmp_path / "image_0.overlay.jpg"), samples[0].image)
    for form in (None, "labels", "geojson", "parquet"):
        outcome = evaluate_predictions(truth, open_predictions(tmp_path, truth, form))
        assert outcome.evaluation["mpq_plus"] == pytest.approx(1, abs=1e-4)


def test_mat_with_a_map_of_types(samples, truth, tmp_path):
    for sample in samples:
        content = {"inst_map": sample.inst_map, "type_map": sample.class_map}
        scipy.io.savemat(tmp_path / f"{sample.record.name}.mat", content)
    outcome = evaluate_predictions(truth, open_predictions(tmp_path, truth))
    assert outcome.evaluation["mpq_plus"] == pytest.approx(1, abs=1e-4)


def test_mat_whose_types_are_too_few(samples, truth, tmp_path):
    write_mat(tmp_path, samples)
    content = scipy.io.loadmat(tmp_path / "image_1.mat")
    scipy.io.savemat(
        tmp_path / "image_1.mat",
        {"inst_map": content["inst_map"], "inst_type": content["inst_type"][:-1]},
    )
    outcome = evaluate_predictions(truth, open_predictions(tmp_path, truth))
    assert "64 nuclei but 63 classes" in outcome.problems[0]


def test_conic_array_without_names_follows_the_truth(samples, tmp_path):
    from karyoscope.datasets import open_dataset
    from karyoscope.datasets.conic_patches import write_conic

    write_conic(samples, tmp_path / "truth", LIZARD)
    truth = open_dataset(tmp_path / "truth")
    pairs = [np.stack([s.inst_map, s.class_map], -1).astype(np.int32) for s in samples]
    np.save(tmp_path / "pred.npy", np.stack(pairs))
    outcome = evaluate_predictions(truth, open_predictions(tmp_path / "pred.npy", truth))
    assert outcome.images == 3
    assert outcome.evaluation["mpq_plus"] == pytest.approx(1, abs=1e-4)
    np.save(tmp_path / "pred.npy", np.stack(pairs[:2]))
    with pytest.raises(KaryoscopeError, match="2 rows, but there are 3 patches"):
        open_predictions(tmp_path / "pred.npy", truth)


def test_conic_array_needs_names_beside_other_truths(samples, truth, tmp_path):
    np.save(tmp_path / "pred.npy", np.zeros((3, 256, 256, 2), np.int32))
    with pytest.raises(KaryoscopeError, match=r"put patch_info\.csv in its folder"):
        open_predictions(tmp_path, truth)


@pytest.mark.parametrize("shape", [(256, 256, 2), (0, 8, 8, 2), (2, 8, 8, 3)])
def test_arrays_of_another_shape(shape, truth, tmp_path):
    np.save(tmp_path / "pred.npy", np.zeros(shape, np.int32))
    with pytest.raises(KaryoscopeError, match="CoNIC arrays are"):
        ConicArray(tmp_path, LIZARD, ["a"])


def test_nothing_there(truth, tmp_path):
    with pytest.raises(KaryoscopeError, match="no such file or folder"):
        open_predictions(tmp_path / "nowhere", truth)
    with pytest.raises(KaryoscopeError, match="no predictions recognised; there are parquet"):
        open_predictions(tmp_path, truth)
    with pytest.raises(KaryoscopeError, match="no format 'npz'"):
        open_predictions(tmp_path, truth, "npz")
    with pytest.raises(KaryoscopeError, match="no GeoJSON files in it"):
        open_predictions(tmp_path, truth, "geojson")


def test_bad_tables_are_named(samples, truth, tmp_path):
    root = write_images(tmp_path / "p", samples)
    with (root / "image_0.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "class"), ("one", "plasma")])
    (root / "image_1.csv").write_text("id,kind\n1,plasma\n")
    outcome = evaluate_predictions(truth, open_predictions(root, truth))
    assert outcome.images == 1
    assert any("image_0.csv: id 'one' is not a whole number" in p for p in outcome.problems)
    assert any("image_1.csv: lacks the column class" in p for p in outcome.problems)
