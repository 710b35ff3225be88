"""Single formats of predictions; what all must do is in `test_predictions_contract.py`."""

import csv
from dataclasses import replace

import cv2
import numpy as np
import pytest
import scipy.io
from annotated_sets import LIZARD, WRITERS, exported, make_sample, make_set, write_images, write_mat

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.evaluation import (
    ScoringOptions,
    evaluate,
    evaluate_predictions,
    open_predictions,
)
from karyoscope.evaluation.predictions.conic import ConicArray


@pytest.fixture(scope="module")
def samples():
    return [make_sample(f"image_{k}", seed=k) for k in range(3)]


@pytest.fixture(scope="module")
def truth(samples, tmp_path_factory):
    return make_set(tmp_path_factory.mktemp("truth") / "data", samples)


def test_two_files_for_one_image_are_refused(samples, truth, tmp_path):
    root = WRITERS["images"](tmp_path / "p", samples)
    (first,) = root.glob("image_0.*[!v]")
    np.save(root / "image_0_mask.npy", samples[1].inst_map)
    with pytest.raises(KaryoscopeError, match="image_0; keep one") as caught:
        open_predictions(root, truth)
    assert first.name in str(caught.value)


def test_one_folder_of_spatialdata_is_taken_for_one_image(samples, truth, tmp_path):
    root = WRITERS["spatialdata"](tmp_path / "p", samples)
    (tmp_path / "one").mkdir()
    make_set(tmp_path / "one" / "truth", samples[:1])
    renamed = (root / "image_0.spatialdata.zarr").rename(tmp_path / "of_slide.spatialdata.zarr")
    outcome = evaluate(tmp_path / "one" / "truth", renamed)
    assert outcome.evaluation["mpq_plus"] == pytest.approx(1, abs=1e-4)
    assert not outcome.problems


def test_spatialdata_without_nuclei_is_an_empty_prediction(samples, truth, tmp_path):
    nothing = [replace(s, inst_map=np.zeros_like(s.inst_map)) for s in samples[:1]]
    root = WRITERS["spatialdata"](tmp_path / "p", [*nothing, *samples[1:]])
    assert not (root / "image_0.spatialdata.zarr" / "shapes").exists()
    outcome = evaluate_predictions(truth, open_predictions(root, truth))
    assert not outcome.problems
    assert outcome.images == 3
    assert outcome.evaluation["pq"] == pytest.approx(2 / 3, abs=1e-4)
    small = [make_sample("image_0", 64, 64)]
    only = ScoringOptions(records=["image_0"])
    other = make_set(tmp_path / "small", small)
    with pytest.raises(KaryoscopeError, match="another size than 64 x 64"):
        evaluate_predictions(other, open_predictions(root, other), only)


def test_a_folder_that_is_no_spatialdata_of_nuclei_is_named(samples, truth, tmp_path):
    for name in ("image_0", "image_1", "image_2"):
        (tmp_path / f"{name}.spatialdata.zarr").mkdir()
    with pytest.raises(KaryoscopeError, match=r"image_0\.spatialdata\.zarr holds no nuclei"):
        evaluate_predictions(truth, open_predictions(tmp_path, truth))


def test_classes_can_be_given(truth, tmp_path):
    consep4 = Taxonomy.load("consep4")
    others = [make_sample("image_0", seed=0, taxonomy=consep4)]
    root = WRITERS["mat"](tmp_path / "p", others)
    found = open_predictions(root, truth, taxonomy=consep4)
    outcome = evaluate_predictions(truth, found, ScoringOptions(records=["image_0"]))
    assert outcome.evaluation.taxonomy.name == "consep4"


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
