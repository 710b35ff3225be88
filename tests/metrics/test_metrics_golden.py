"""Values that the published code gives for real labels; run where those labels are."""

import json

import numpy as np
import pytest

from karyoscope import metrics
from karyoscope.core.taxonomy import NucleusClass, Taxonomy
from karyoscope.metrics.overlap import f1_of_counts

CLOSE = {"abs": 1e-9, "rel": 1e-9}
CONSEP = Taxonomy(
    "consep",
    tuple(
        NucleusClass(i, name, (0, 0, 0))
        for i, name in enumerate(("other", "inflammatory", "epithelial", "spindle"), start=1)
    ),
)


@pytest.fixture(scope="module")
def golden(shared):
    folder = shared / "golden"
    if not folder.is_dir():
        pytest.skip("needs the reference values in ../shared/golden")

    def read(name):
        if name.endswith(".json"):
            return json.loads((folder / name).read_text("utf-8"))
        with np.load(folder / name) as file:
            return dict(file)

    return read


@pytest.fixture(scope="module")
def conic_images(golden):
    cases = golden("conic_cases.npz")
    return {
        str(name): (true[..., 0], pred[..., 0], true[..., 1], pred[..., 1])
        for name, true, pred in zip(cases["names"], cases["true"], cases["pred"], strict=True)
    }


def by_id(ids, classes):
    table = np.zeros(int(ids.max(initial=0)) + 1, np.uint8)
    table[ids] = classes.ravel()
    return table


@pytest.fixture(scope="module")
def consep_images(golden):
    cases = golden("consep_cases.npz")
    return {
        str(name): (
            cases[f"true_{k}_inst_map"],
            cases[f"pred_{k}_inst_map"],
            by_id(cases[f"true_{k}_inst_id"], cases[f"true_{k}_inst_type"]),
            by_id(cases[f"pred_{k}_inst_id"], cases[f"pred_{k}_inst_type"]),
        )
        for k, name in enumerate(cases["names"])
    }


@pytest.fixture(scope="module")
def image_sets(conic_images, consep_images):
    return {"lizard": conic_images, "consep": consep_images}


def evaluated(images, protocol, taxonomy, mpp):
    pairs = (metrics.Pair(*maps, name=name) for name, maps in images.items())
    return metrics.score_pairs(pairs, protocol, taxonomy, mpp)


def test_conic(golden, conic_images):
    result = evaluated(conic_images, "conic", Taxonomy.load("lizard"), 0.5)
    expected = golden("conic_expected.json")
    segmentation, composition = expected["segmentation"], expected["composition"]
    assert result["pq"] == pytest.approx(segmentation["pq_mean"], **CLOSE)
    assert result["mpq_plus"] == pytest.approx(segmentation["mpq_plus"], **CLOSE)
    assert result["r2"] == pytest.approx(composition["r2_mean"], **CLOSE)
    for name, values in segmentation["classes"].items():
        found = result["classes"][name]
        assert values == pytest.approx({key: found[key] for key in values}, **CLOSE)
        assert found["r2"] == pytest.approx(composition["r2_per_class"][name], **CLOSE)
    for row, values in zip(result.image_scores(), segmentation["images"], strict=True):
        for key in ("dq", "sq", "pq"):
            assert row[key] == pytest.approx(values[key], **CLOSE)


def test_conic_counts_of_each_image(golden, conic_images):
    expected = golden("conic_expected.json")
    ids = Taxonomy.load("lizard").ids
    counts = metrics.PanopticAccumulator(Taxonomy.load("lizard"))
    for maps in conic_images.values():
        counts.update(*maps)
    for row, values in zip(counts.counts, expected["segmentation"]["images"], strict=True):
        assert row[0].tolist() == pytest.approx([values[k] for k in ("tp", "fp", "fn", "sum_iou")])
        for of_class, found in zip(values["per_class"], row[1:], strict=True):
            keys = ("tp", "fp", "fn", "sum_iou")
            assert found.tolist() == pytest.approx([of_class[k] for k in keys])
    for key, crop in (("composition", 224), ("no_crop", None)):
        block = expected["composition"] if crop else expected["composition"][key]
        for i, (true, pred, of_true, of_pred) in enumerate(conic_images.values()):
            assert metrics.count_nuclei(true, of_true, ids, crop).tolist() == block["true"][i]
            assert metrics.count_nuclei(pred, of_pred, ids, crop).tolist() == block["pred"][i]


def test_composition_of_whole_patches(golden, conic_images):
    scores = metrics.CompositionAccumulator(Taxonomy.load("lizard"), crop=None)
    for maps in conic_images.values():
        scores.update(*maps)
    expected = golden("conic_expected.json")["composition"]["no_crop"]
    result = scores.compute()
    assert result["r2"] == pytest.approx(expected["r2_mean"], **CLOSE)
    for name, r2 in expected["r2_per_class"].items():
        assert result["classes"][name]["r2"] == pytest.approx(r2, **CLOSE)


@pytest.mark.parametrize("name", ["lizard", "consep"])
def test_hover_net_instances(golden, image_sets, name):
    expected = golden("hover_expected.json")[name]
    taxonomy = CONSEP if name == "consep" else Taxonomy.load("lizard")
    result = evaluated(image_sets[name], "hovernet", taxonomy, 0.25 if name == "consep" else 0.5)
    keys = ("dice", "dice2", "aji", "aji_plus", "dq", "sq", "pq")
    for key in keys:
        assert result[key] == pytest.approx(expected["mean"][key], **CLOSE)
    for row in result.image_scores():
        values = expected["images"][row["name"]]
        for key in keys:
            assert row[key] == pytest.approx(values[key], **CLOSE)


@pytest.mark.parametrize("name", ["lizard", "consep"])
def test_hover_net_pairing(golden, image_sets, name):
    for image, (true, pred, *_) in image_sets[name].items():
        values = golden("hover_expected.json")[name]["images"][image]
        table = metrics.contingency(true, pred)
        hit = table.pair_iou > 0.5
        paired_true = table.true_ids[table.pair_true[hit]].tolist()
        paired_pred = table.pred_ids[table.pair_pred[hit]].tolist()
        assert paired_true == values["paired_true"]
        assert paired_pred == values["paired_pred"]
        assert sorted({*table.true_ids.tolist()} - {*paired_true}) == values["unpaired_true"]
        assert sorted({*table.pred_ids.tolist()} - {*paired_pred}) == values["unpaired_pred"]
        tp, fp, fn, _ = metrics.panoptic_counts(table)
        assert (tp, fp, fn) == (values["tp"], values["fp"], values["fn"])


@pytest.mark.parametrize("name", ["lizard", "consep"])
@pytest.mark.parametrize("radius", [6, 12])
def test_hover_net_types(golden, image_sets, name, radius):
    expected = golden("hover_expected.json")[name]["types"][f"radius_{radius}"]
    taxonomy = CONSEP if name == "consep" else Taxonomy.load("lizard")
    scores = metrics.DetectionAccumulator(taxonomy, mpp=1.0, radius_um=radius)
    for maps in image_sets[name].values():
        scores.update(*maps)
    result = scores.compute()
    for key in ("f_d", "acc", "tp_d", "fp_d", "fn_d"):
        assert result[key] == pytest.approx(expected[key], **CLOSE)
    for class_id, f_c in expected["f_c"].items():
        found = result["classes"][taxonomy.by_id(int(class_id)).name]
        assert found["f_c"] == pytest.approx(f_c, **CLOSE)
        counts = expected["counts"][class_id]
        assert {k: found[k] for k in ("tp_c", "fp_c", "fn_c", "fp_d", "fn_d")} == {
            k: v for k, v in counts.items() if k != "tn_c"
        }
    matrix = np.array(result["confusion"]["counts"])
    k = len(taxonomy)
    assert matrix[:k, :k].tolist() == expected["confusion_paired"]["rows_true_cols_pred"]


@pytest.mark.parametrize("name", ["lizard", "consep"])
@pytest.mark.parametrize("radius", [6, 12])
def test_centroid_pairs(golden, image_sets, name, radius):
    expected = golden("hover_expected.json")[name]["types"][f"radius_{radius}"]["pairing"]
    for image, maps in image_sets[name].items():
        pair = metrics.Pair(*maps)
        true, _ = pair.centroids("true")
        pred, _ = pair.centroids("pred")
        rows_true, rows_pred = metrics.pair_points(true, pred, radius)
        found = dict(zip(rows_true.tolist(), rows_pred.tolist(), strict=True))
        published = expected[image]
        assert found == dict(zip(published["true_index"], published["pred_index"], strict=True))


@pytest.mark.parametrize("name", ["lizard", "consep"])
@pytest.mark.parametrize("by", ["id", "component"])
def test_objects(golden, image_sets, name, by):
    expected = golden("object_expected.json")[name]
    scores = metrics.ObjectAccumulator(by=by)
    for image, (true, pred, *_) in image_sets[name].items():
        scores.update(true, pred)
        values = expected["images"][image][f"by_{by}"]
        found = metrics.object_scores(true, pred, by)
        for key, value in zip(
            ("object_dice", "object_iou", "object_hausdorff"), found, strict=True
        ):
            assert value == pytest.approx(values[key], **CLOSE), (image, key)
    result = scores.compute()
    for key in ("object_dice", "object_iou", "object_hausdorff"):
        assert result[key] == pytest.approx(expected["mean"][f"by_{by}"][key], **CLOSE)


@pytest.mark.parametrize("name", ["lizard", "consep"])
@pytest.mark.parametrize("rule", ["literal", "one_to_one", "one_to_one_at_least_half"])
def test_overlap_f1(golden, image_sets, name, rule):
    for image, (true, pred, *_) in image_sets[name].items():
        values = golden("object_expected.json")[name]["images"][image]["by_id"][f"f1_{rule}"]
        counts = metrics.overlap_counts(metrics.contingency(true, pred), rule)
        assert counts.tolist() == [values["tp"], values["fp"], values["fn"]]
        assert f1_of_counts(counts) == pytest.approx(values["f1"], **CLOSE)


def test_qu_protocol_agrees_with_published_script(golden, conic_images):
    """The script looks for far partners in a window, so its Hausdorff distance may be larger."""
    result = evaluated(conic_images, "qu", None, None)
    published = golden("object_expected.json")["lizard"]["mean"]["published_script"]
    for key in ("object_dice", "object_iou", "object_hausdorff"):
        assert result[key] == pytest.approx(published[key], **CLOSE)
