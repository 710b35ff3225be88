"""The search of post-processing parameters, and what it is worth on images it has not seen."""

from typing import Annotated

import numpy as np
import pytest

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import NucleusClass, Taxonomy
from karyoscope.datasets import Record, Sample
from karyoscope.evaluation.objectives import SCORES, Predicted, count_params, evaluate_params
from karyoscope.evaluation.search import cross_check, halves, tune
from karyoscope.evaluation.search_space import class_parameters, search_space
from karyoscope.metrics import Evaluation, Pair
from karyoscope.postprocessing import (
    POSTPROCESSINGS,
    Parameters,
    PostProcessing,
    TuningRange,
    postprocess,
    tuning_ranges,
)

TAXONOMY = Taxonomy("two", (NucleusClass(1, "a", (200, 0, 0)), NucleusClass(2, "b", (0, 0, 200))))


def image(name="discs", height=60, width=90, source=None, cohort="", step=30):
    """Discs whose interior is only 0.42 sure; class b gets too little probability."""
    labels = np.zeros((height, width), np.int32)
    rows, columns = np.mgrid[:height, :width]
    centres = [(y, x) for y in range(15, height, step) for x in range(15, width, step)]
    for k, (y, x) in enumerate(centres, 1):
        labels[(rows - y) ** 2 + (columns - x) ** 2 <= 36] = k
    classes = np.append(0, 1 + np.arange(len(centres)) % 2).astype(np.uint8)
    record = Record(name, source or name, cohort)
    rgb = np.zeros((height, width, 3), np.uint8)
    sample = Sample(record, rgb, labels, classes, TAXONOMY, 0.5)
    tp = np.zeros((height, width, 3), np.float32)
    tp[..., 1], tp[..., 2] = 0.55, 0.45 * (sample.class_map == 2)
    inside = np.where(labels > 0, 0.42, 0.0).astype(np.float32)
    return Predicted(sample, {"inside": inside, "boundary": np.zeros_like(inside), "tp": tp})


def score(params):
    found = evaluate_params([image()], "three_label", params, TAXONOMY).compute()
    return float(found["mpq_plus"])


def test_the_search_finds_thresholds_and_class_weights_that_the_start_lacks():
    start = {"foreground": 0.4, "seed": 0.5}
    assert score(start) == 0
    result = tune(score, start, search_space("three_label", TAXONOMY))
    assert result.score == pytest.approx(1.0, abs=1e-5)
    assert result.score == score(result.params)
    assert max(value for _, value in result.history) == result.score
    assert result.params["foreground"] <= 0.42


def test_the_search_stops_when_a_round_brings_nothing():
    calls = []

    def flat(params):
        calls.append(params)
        return 0.5

    space = search_space("three_label", TAXONOMY, class_parameters())
    result = tune(flat, {"foreground": 0.5}, space, rounds=5)
    assert result.params == {"foreground": 0.5}
    assert len(calls) <= 1 + sum(len(axis.values) for axis in space)


def test_images_without_a_score_are_refused():
    with pytest.raises(KaryoscopeError, match="too few"):
        tune(lambda params: float("nan"), {}, search_space("three_label", TAXONOMY))


@pytest.mark.parametrize("name", sorted(POSTPROCESSINGS))
def test_whatever_is_tried_is_valid(name):
    method = POSTPROCESSINGS[name]
    ranges = tuning_ranges(method.parameters)
    by_class = [n for n, found in ranges.items() if found.by_class]
    space = search_space(name, TAXONOMY, by_class)
    # Every parameter with a range is tuned, and each post-processing has one of its own.
    assert {axis.name for axis in space} == set(ranges)
    assert set(ranges) - set(Parameters.model_fields)
    for axis in space:
        tried = [axis.apply({}, value) for value in axis.values]
        assert sum(params is not None for params in tried) >= len(tried) - 1
        for params in filter(None, tried):
            assert method.validate(params)
            if axis.class_name is not None:
                assert set(params[axis.name]) == {"a", "b"}


def test_the_range_of_a_parameter_that_the_package_does_not_know(monkeypatch):
    """Another one of the same name, in another post-processing, keeps its own."""

    class Mine(Parameters):
        sharpness: Annotated[float | dict[str, float], TuningRange((1.0, 2.0), (3.0,), 0.5)] = 1.0
        seed: Annotated[float, TuningRange((7.0, 8.0))] = 7.0
        colour: str = "red"

    monkeypatch.setitem(POSTPROCESSINGS, "mine", PostProcessing("mine", (), Mine, None))
    assert "sharpness" in class_parameters()
    space = search_space("mine", TAXONOMY, ["sharpness"])
    tried = {(axis.name, axis.class_name): axis.values for axis in space}
    assert tried["sharpness", None] == (1.0, 2.0)
    assert tried["seed", None] == (7.0, 8.0)
    assert tried["sharpness", "a"] == tried["sharpness", "b"] == (3.0,)
    assert not any(axis.name == "colour" for axis in space)
    assert space[-1].apply({"sharpness": {}}, 3.0) == {"sharpness": {"a": 0.5, "b": 3.0}}
    other = {axis.name: axis.values for axis in search_space("three_label", TAXONOMY)}
    assert other["seed"] == (0.3, 0.4, 0.5, 0.6, 0.7)


def test_one_class_alone_changes():
    (axis,) = (
        a
        for a in search_space("three_label", TAXONOMY, ["min_area_um2"])
        if a.name == "min_area_um2" and a.class_name == "b"
    )
    assert axis.apply({}, 8.0) == {"min_area_um2": {"a": 4.0, "b": 8.0}}, "four is the default"
    assert axis.apply({"min_area_um2": 2.0}, 8.0) == {"min_area_um2": {"a": 2.0, "b": 8.0}}
    assert axis.apply({"min_area_um2": {"a": 1.0, "b": 8.0}}, 8.0) is None


def test_what_a_post_processing_does_not_have_by_class():
    with pytest.raises(KaryoscopeError, match="'hover' has no 'seed' by class; there are min_area"):
        search_space("hover", TAXONOMY, ["seed"])
    with pytest.raises(KaryoscopeError, match="no 'seeds' by class"):
        search_space("three_label", TAXONOMY, ["seeds"])


@pytest.mark.parametrize("name", sorted(POSTPROCESSINGS))
def test_what_is_not_named_keeps_its_value(name):
    ranges = tuning_ranges(POSTPROCESSINGS[name].parameters)
    by_class = [n for n, found in ranges.items() if found.by_class]
    everything = search_space(name, TAXONOMY, by_class)
    for chosen in ranges:
        space = search_space(name, TAXONOMY, by_class, [chosen])
        assert space == [axis for axis in everything if axis.name == chosen] != []
        for axis in space:
            for value in axis.values:
                params = axis.apply({"other": 1.0}, value)
                assert params is None or set(params) == {"other", chosen}
    assert search_space(name, TAXONOMY, by_class, list(ranges)) == everything


def test_a_parameter_that_there_is_not_to_search():
    with pytest.raises(KaryoscopeError, match=r"no 'class_weight' to tune.*mean class_weights\?"):
        search_space("three_label", TAXONOMY, only=["class_weight"])
    with pytest.raises(KaryoscopeError, match=r"max_area_um2 is tuned for each class.*--by-class"):
        search_space("three_label", TAXONOMY, only=["max_area_um2"])


def test_halves_keep_sources_whole_and_share_cohorts():
    images = [
        image(f"{cohort}{k}", source=f"{cohort}{k // 2}", cohort=cohort)
        for cohort in "xy"
        for k in range(8)
    ]
    first, second = halves(images)
    sources = [{i.sample.record.source for i in half} for half in (first, second)]
    assert not sources[0] & sources[1]
    assert len(first) + len(second) == len(images)
    for half in (first, second):
        assert sum(i.sample.record.cohort == "x" for i in half) == 4
    assert halves(images[::-1])[0] == first[::-1]
    with pytest.raises(KaryoscopeError, match="two sources"):
        halves([image("a", source="s"), image("b", source="s")])


def test_a_cross_check_tells_luck_from_gain():
    """Each half likes a weight of its own, which does nothing for the other; a threshold does."""
    images = [image("a"), image("b")]

    def luck(half, params):
        weights = params.get("class_weights", {})
        mine = "a" if half[0].sample.record.name == "a" else "b"
        gain = 0.1 if params.get("foreground") == 0.4 else 0.0
        return 0.5 + gain + (0.2 if weights.get(mine) == 2.0 else 0.0)

    found = cross_check(images, luck, {}, search_space("three_label", TAXONOMY))
    assert found.gain == pytest.approx(0.1)
    assert found.own_gain == pytest.approx(0.3)
    assert found.other[0] == pytest.approx((0.5, 0.6))


def test_counting_is_scored_as_evaluation_does():
    """On maps of images of several sizes: R² equals that of ``evaluate``."""
    sizes = ((256, 256, 30), (300, 280, 40), (100, 90, 25), (520, 260, 35))
    images = [image(f"i{k}", h, w, step=s) for k, (h, w, s) in enumerate(sizes)]
    params = {"foreground": 0.4, "seed": 0.4, "class_weights": {"b": 1.25}}
    found = count_params(images, "three_label", params, TAXONOMY)

    from karyoscope.evaluation.predictions import Prediction
    from karyoscope.evaluation.score import scored_pairs

    evaluation = Evaluation("conic", TAXONOMY)
    for one in images:
        nuclei = postprocess("three_label", one.maps, params, TAXONOMY, 0.5)
        prediction = Prediction.of_nuclei(nuclei, *one.sample.inst_map.shape[::-1])
        for pair in scored_pairs(one.sample, prediction, 256, True):
            evaluation.add(pair)
    assert np.isfinite(evaluation["r2"])
    assert found.compute()["r2"] == pytest.approx(evaluation["r2"])


def test_counting_is_tuned_by_numbers():
    """Debris that is taken for nuclei spoils the numbers; a limit on areas mends them."""
    images = [image(f"i{k}", 256, 256, step=s) for k, s in enumerate((32, 44, 60))]
    for one in images:
        # Bits of debris, which look like small nuclei of class a.
        clutter = one.sample.inst_map == 0
        clutter &= (np.indices((256, 256)) % 13 < 3).all(0)
        one.maps["inside"][clutter] = 0.9
        one.maps["tp"][clutter] = (0.0, 0.0, 0.6)
    start = {"foreground": 0.4, "seed": 0.4, "min_area_um2": 0.0, "class_weights": {"b": 1.25}}
    counting = SCORES["r2"]
    assert counting.key == "counting"
    assert {SCORES[name].key for name in ("mean", "pq", "mpq_plus")} == {"postprocessing"}

    def r2(params):
        return counting.score(images, "three_label", params, TAXONOMY)

    space = search_space("three_label", TAXONOMY)
    found = tune(r2, start, [axis for axis in space if axis.name == "min_area_um2"], rounds=1)
    assert found.score > max(r2(start), 0.9)
    assert found.params["min_area_um2"] != 0


def test_counts_of_an_evaluation_may_be_of_other_nuclei():
    labels = np.zeros((256, 256), np.int32)
    labels[50:60, 50:60], labels[80:90, 80:90] = 1, 2
    one = np.where(labels == 1, 1, 0)
    classes = np.array([0, 1, 2])
    evaluation = Evaluation("conic", TAXONOMY)
    truth = {"true_classes": classes, "pred_classes": classes}
    evaluation.add(Pair(labels, labels, **truth, name="a"), Pair(labels, one, **truth, name="a"))
    assert evaluation["pq"] == pytest.approx(1)
    assert evaluation["classes"]["a"]["counted_pred"] == 1
    assert evaluation["classes"]["b"]["counted_pred"] == 0
    assert evaluation["classes"]["b"]["counted_true"] == 1


def test_a_model_is_tuned_by_one_call(tiny_bundle, tmp_path):
    from karyoscope.evaluation import tune_model

    with pytest.raises(KaryoscopeError, match="no score 'speed'; there are mean"):
        tune_model(tiny_bundle, tmp_path, scores=["speed"])
    with pytest.raises(KaryoscopeError, match="no 'edge' by class"):
        tune_model(tiny_bundle, tmp_path, by_class=["edge"], device="cpu", threads=1)
