"""Drawn edge cases: the values to return, and the published ones where they are numbers."""

import json
from pathlib import Path

import numpy as np
import pytest

from karyoscope import metrics
from karyoscope.core.taxonomy import NucleusClass, Taxonomy
from karyoscope.metrics.overlap import f1_of_counts

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
EXPECTED = json.loads((GOLDEN / "edge_expected.json").read_text("utf-8"))
CASES = sorted(EXPECTED["instances"])
# Without background CoNIC's code stops and the object script loses an object.
WITH_BACKGROUND = [case for case in CASES if not case.startswith("no_background")]
WITH_CLASSES = [case for case in CASES if "mpq_plus" in EXPECTED["instances"][case]["expected"]]


@pytest.fixture(scope="module")
def maps():
    with np.load(GOLDEN / "edge_cases.npz") as file:
        return dict(file)


def number(value):
    return float(value) if isinstance(value, str) else value


def measured(true, pred):
    table = metrics.contingency(true, pred)
    counts = metrics.panoptic_counts(table)
    dq, sq, pq = metrics.panoptic_ratios(counts)
    object_dice, object_iou, hausdorff = metrics.object_scores(true, pred)
    return {
        "dice": metrics.dice(table),
        "dice2": metrics.ensemble_dice(table),
        "aji": metrics.aji(table),
        "aji_plus": metrics.aji_plus(table),
        "dq": dq,
        "sq": sq,
        "pq": pq,
        "tp": counts[0],
        "fp": counts[1],
        "fn": counts[2],
        "object_dice": object_dice,
        "object_iou": object_iou,
        "object_hausdorff": hausdorff,
        "f1_literal": f1_of_counts(metrics.overlap_counts(table, "literal")),
        "f1_one_to_one": f1_of_counts(metrics.overlap_counts(table, "one_to_one")),
    }


@pytest.mark.parametrize("case", CASES)
def test_expected_value(maps, case):
    result = measured(maps[f"{case}__true"], maps[f"{case}__pred"])
    expected = EXPECTED["instances"][case]["expected"]
    compared = {name: number(value) for name, value in expected.items() if name in result}
    assert compared
    for name, value in compared.items():
        assert result[name] == pytest.approx(value, abs=1e-9, nan_ok=True), name


@pytest.mark.parametrize("case", CASES)
def test_published_hover_net_value(maps, case):
    table = metrics.contingency(maps[f"{case}__true"], maps[f"{case}__pred"])
    dq, sq, pq = map(float, metrics.panoptic_ratios(metrics.panoptic_counts(table), "hover_net"))
    result = {
        "dice": metrics.dice(table),
        "dice2": metrics.ensemble_dice(table),
        "aji": metrics.aji(table),
        "aji_plus": metrics.aji_plus(table),
    }
    official = EXPECTED["instances"][case]["official"]["hover_net_remapped"]
    for name, value in result.items():
        if "value" in official[name]:
            published = number(official[name]["value"])
            assert value == pytest.approx(published, abs=1e-9, nan_ok=True), name
    if "value" in official["pq"]:
        assert official["pq"]["value"] == pytest.approx({"dq": dq, "sq": sq, "pq": pq}, abs=1e-9)


@pytest.mark.parametrize("case", WITH_BACKGROUND)
def test_published_conic_value(maps, case):
    official = EXPECTED["instances"][case]["official"]["conic_get_pq"]
    table = metrics.contingency(maps[f"{case}__true"], maps[f"{case}__pred"])
    counts = metrics.panoptic_counts(table)
    dq, sq, pq = map(float, metrics.panoptic_ratios(counts, "conic"))
    tp, fp, fn, sum_iou = counts
    result = {"dq": dq, "sq": sq, "pq": pq, "tp": tp, "fp": fp, "fn": fn, "sum_iou": sum_iou}
    assert official["value"] == pytest.approx(result, abs=1e-9)


@pytest.mark.parametrize("case", WITH_BACKGROUND)
def test_published_object_scores_by_component(maps, case):
    official = EXPECTED["instances"][case]["official"]["object_script"]
    scores = metrics.OverlapAccumulator()
    scores.update(maps[f"{case}__true"], maps[f"{case}__pred"])
    published = official["detection"]["value"]["f1"]
    assert np.nan_to_num(scores.compute()["f1"]) == pytest.approx(published, abs=1e-9)
    dice, iou, hausdorff = metrics.object_scores(
        maps[f"{case}__true"], maps[f"{case}__pred"], by="component"
    )
    value = official["object"]["value"]
    assert np.nan_to_num(dice) == pytest.approx(value["object_dice"], abs=1e-9)
    assert np.nan_to_num(iou) == pytest.approx(value["object_iou"], abs=1e-9)
    if np.isfinite(hausdorff):  # the script says 500 or 0 where a map is empty
        assert hausdorff == pytest.approx(value["object_hausdorff"], abs=1e-9)


@pytest.mark.parametrize("case", WITH_CLASSES)
def test_classes(maps, case):
    images = [maps[f"{case}__{name}"] for name in ("true", "pred", "true_class", "pred_class")]
    entry = EXPECTED["instances"][case]
    published = metrics.PanopticAccumulator(Taxonomy.load("lizard"))
    published.update(*images)
    result, official = published.compute(), entry["official"]["conic_multi_pq"]["value"]
    assert result["mpq_plus"] == pytest.approx(official["mpq_plus"], abs=1e-9)
    for name, values in official["classes"].items():
        assert values == pytest.approx({k: result["classes"][name][k] for k in values}, abs=1e-9)
    sane = metrics.PanopticAccumulator(Taxonomy.load("lizard"), epsilon="none")
    sane.update(*images)
    for name in ("mpq_plus", "mpq_plus_present"):
        if name in entry["expected"]:
            value = number(entry["expected"][name])
            assert sane.compute()[name] == pytest.approx(value, abs=1e-9, nan_ok=True)


def taxonomy_of(ids):
    return Taxonomy("drawn", tuple(NucleusClass(i, str(i), (0, 0, 0)) for i in ids))


def detected(case, order="assignment_first"):
    declared = case["types"] or sorted(
        {t for image in case["images"] for t in image["true_type"] + image["pred_type"]}
    )
    # At 1 µm per pixel the radius in µm is the one in pixels.
    scores = metrics.DetectionAccumulator(
        taxonomy_of(declared), mpp=1.0, radius_um=case["radius"], order=order
    )
    for image in case["images"]:
        scores.update_points(
            image["true_centroid"], image["true_type"], image["pred_centroid"], image["pred_type"]
        )
    return scores.compute()


def assert_detected(result, expected):
    assert expected
    for name, value in expected.items():
        if name == "f_c":
            for c, f_c in value.items():
                found = result["classes"][c]["f_c"]
                assert found == pytest.approx(number(f_c), abs=1e-9, nan_ok=True)
        else:
            assert result[name] == pytest.approx(number(value), abs=1e-9, nan_ok=True), name


@pytest.mark.parametrize("name", sorted(EXPECTED["types"]))
def test_detection(name):
    case = EXPECTED["types"][name]
    expected = case["expected"]
    if "official_rule" in expected:
        assert_detected(detected(case), expected["official_rule"])
        assert_detected(detected(case, "radius_first"), expected["radius_first"])
    else:
        assert_detected(detected(case), expected)
        assert_detected(detected(case, "radius_first"), expected)


@pytest.mark.parametrize("name", sorted(EXPECTED["composition"]))
def test_r_squared(name):
    case = EXPECTED["composition"][name]
    scores = metrics.CompositionAccumulator(taxonomy_of([1]))
    for true, pred in zip(case["true"], case["pred"], strict=True):
        scores.update_counts([true], [pred])
    assert scores.compute()["r2"] == pytest.approx(number(case["expected"]), abs=1e-12, nan_ok=True)


def test_count_in_central_crop():
    label = np.load(GOLDEN / "crop_case.npz")["label"]
    counts = metrics.count_nuclei(label[..., 0], label[..., 1], Taxonomy.load("lizard").ids, 224)
    assert counts.tolist() == EXPECTED["crop"]["counts"]
