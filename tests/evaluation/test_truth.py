"""Truth and predictions of others: single files, label maps without images, HoVer-Net's JSON."""

import json

import cv2
import numpy as np
import pytest
import scipy.io

from karyoscope.core.errors import KaryoscopeError
from karyoscope.evaluation import ScoringOptions, evaluate, read_evaluation

WHOLE = ScoringOptions(patches=0)


@pytest.fixture
def maps():
    true = np.zeros((60, 80), np.int32)
    true[5:20, 5:20], true[30:50, 40:60] = 1, 2
    pred = np.zeros_like(true)
    pred[5:20, 5:20], pred[2:8, 60:70] = 3, 4
    return true, pred


@pytest.mark.parametrize("suffix", [".npy", ".tif", ".png", ".mat"])
def test_two_label_maps_of_any_name(maps, tmp_path, suffix):
    paths = []
    for name, array in zip(("true", "another"), maps, strict=True):
        path = tmp_path / f"{name}{suffix}"
        if suffix == ".npy":
            np.save(path, array)
        elif suffix == ".mat":
            scipy.io.savemat(path, {"inst_map": array})
        else:
            cv2.imwrite(str(path), array.astype(np.uint16))
        paths.append(path)
    found = evaluate(*paths, options=WHOLE).evaluation.scores
    # One of two found exactly, one made up: DQ 1/2, SQ 1.
    assert found["pq"] == pytest.approx(0.5, abs=1e-5)


def test_folders_of_label_maps_without_images(maps, tmp_path):
    for folder, array in zip(("true", "pred"), maps, strict=True):
        (tmp_path / folder).mkdir()
        for name in ("a", "b"):
            cv2.imwrite(str(tmp_path / folder / f"{name}.png"), array.astype(np.uint16))
    result = evaluate(tmp_path / "true", tmp_path / "pred", options=WHOLE)
    assert (result.images, result.problems) == (2, [])
    with pytest.raises(KaryoscopeError, match="without images"):
        evaluate(tmp_path / "true", model="lizard")


def test_two_conic_arrays(maps, tmp_path):
    for name, array in zip(("true", "pred"), maps, strict=True):
        both = np.stack([array, 2 * (array > 0)], -1).astype(np.int32)
        patches = np.pad(np.stack([both, both]), ((0, 0), (0, 196), (0, 176), (0, 0)))
        np.save(tmp_path / f"{name}.npy", patches)
    result = evaluate(tmp_path / "true.npy", tmp_path / "pred.npy")
    assert result.images == 2
    assert result.evaluation.scores["classes"]["epithelial"]["pq"] == pytest.approx(0.5, abs=1e-5)


def test_hovernet_json_fills_the_pixels_of_its_contours(maps, tmp_path):
    true, _ = maps
    np.save(tmp_path / "true.npy", true)
    nuclei = {}
    for i in (1, 2):
        contours, _ = cv2.findContours(
            (true == i).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
        )
        nuclei[str(i)] = {"contour": contours[0][:, 0].tolist(), "type": None}
    (tmp_path / "pred.json").write_text(json.dumps({"mag": 20, "nuc": nuclei}))
    found = evaluate(tmp_path / "true.npy", tmp_path / "pred.json", options=WHOLE)
    assert found.evaluation.scores["pq"] == pytest.approx(1, abs=1e-5)
    (tmp_path / "pred.json").write_text('{"nuc": {"1": {"contour": "none"}}}')
    with pytest.raises(KaryoscopeError, match="no readable contour"):
        evaluate(tmp_path / "true.npy", tmp_path / "pred.json", options=WHOLE)


def test_a_comparison_reads_folders(maps, tmp_path):
    np.save(tmp_path / "true.npy", maps[0])
    result = evaluate(tmp_path / "true.npy", tmp_path / "true.npy", options=WHOLE)
    (tmp_path / "evaluation.json").write_text(json.dumps(result.to_dict(samples=10)))
    assert read_evaluation(tmp_path).scores == read_evaluation(tmp_path / "evaluation.json").scores
