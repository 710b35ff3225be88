"""What every protocol, and so every accumulator in it, must satisfy."""

import json
import math
from dataclasses import replace

import brute_force
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyoscope import KaryoscopeError, metrics
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.metrics.evaluation import Evaluation

LIZARD = Taxonomy.load("lizard")
NAMES = sorted(metrics.PROTOCOLS)
SEEDS = st.integers(0, 40)


def labels_of(seed):
    """Small image with imperfect prediction, as maps and classes by id."""
    rng = np.random.default_rng(seed)
    true = brute_force.nuclei((40, 50), count=8, seed=seed)
    pred = brute_force.imperfect(true, seed)
    of_true, of_pred = (rng.integers(1, 7, int(m.max()) + 1) for m in (true, pred))
    agree = rng.random(len(of_true)) < 0.6
    of_pred[: len(of_true)][agree] = of_true[agree]
    return true, pred, of_true, of_pred


def pairs_of(seeds):
    return [
        metrics.Pair(*labels_of(s), name=f"{s}", source=f"slide {s % 4}", cohort=f"{s % 2}")
        for s in seeds
    ]


def evaluated(pairs, protocol, taxonomy=LIZARD):
    return metrics.score_pairs(pairs, protocol, taxonomy, 0.5)


def assert_equal_scores(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        if isinstance(value, dict):
            assert_equal_scores(value, second[name])
        else:
            assert value == pytest.approx(second[name], rel=1e-9, abs=1e-12, nan_ok=True), name


@pytest.mark.parametrize("protocol", NAMES)
@given(seed=SEEDS)
@settings(max_examples=8, deadline=None)
def test_ids_are_names_only(protocol, seed):
    true, pred, of_true, of_pred = labels_of(seed)
    rng = np.random.default_rng(seed)
    renamed = []
    for labels, classes in ((true, of_true), (pred, of_pred)):
        table = np.append(0, 1 + rng.permutation(2 * len(classes))[: len(classes) - 1])
        new_classes = np.zeros(table.max() + 1, int)
        new_classes[table] = classes
        renamed.append((table[labels], new_classes))
    (new_true, new_of_true), (new_pred, new_of_pred) = renamed
    before = evaluated([metrics.Pair(true, pred, of_true, of_pred)], protocol)
    after = evaluated([metrics.Pair(new_true, new_pred, new_of_true, new_of_pred)], protocol)
    assert_equal_scores(without_ties(before.scores), without_ties(after.scores))


def without_ties(scores):
    """Object scores choose the smallest id among equal overlaps, so that ids may matter."""
    return {
        name: without_ties(value) if isinstance(value, dict) else value
        for name, value in scores.items()
        if not name.startswith(("object", "aji"))
    }


@pytest.mark.parametrize("protocol", NAMES)
@pytest.mark.parametrize("turn", [np.fliplr, np.flipud, np.transpose, np.rot90])
def test_invariant_under_flips_and_turns(protocol, turn):
    seeds = range(4)
    turned = [
        metrics.Pair(turn(true), turn(pred), *classes, name=str(s))
        for s in seeds
        for true, pred, *classes in [labels_of(s)]
    ]
    plain = [metrics.Pair(*labels_of(s), name=str(s)) for s in seeds]
    before, after = (evaluated(pairs, protocol).scores for pairs in (plain, turned))
    if protocol == "qu":  # components are numbered in scan order, which decides ties
        before, after = without_ties(before), without_ties(after)
    assert_equal_scores(before, after)


@pytest.mark.parametrize("protocol", NAMES)
def test_class_maps_and_tables_by_id_agree(protocol):
    true, pred, of_true, of_pred = labels_of(3)
    by_id = evaluated([metrics.Pair(true, pred, of_true, of_pred)], protocol)
    maps = evaluated([metrics.Pair(true, pred, of_true[true], of_pred[pred])], protocol)
    assert_equal_scores(by_id.scores, maps.scores)


@pytest.mark.parametrize("protocol", NAMES)
@given(seeds=st.permutations(range(6)), cut=st.integers(0, 6))
@settings(max_examples=10, deadline=None)
def test_shards_in_any_order_are_the_whole(protocol, seeds, cut):
    whole = evaluated(pairs_of(range(6)), protocol)
    shards = [Evaluation(protocol, LIZARD, 0.5) for _ in range(2)]
    for pair in pairs_of(seeds[:cut]):
        shards[0].add(pair)
    for pair in pairs_of(seeds[cut:]):
        shards[1].add(pair)
    merged = shards[0].merge(shards[1])
    assert_equal_scores(whole.scores, merged.scores)
    assert len(merged) == 6


@pytest.mark.parametrize("protocol", NAMES)
def test_truth_as_prediction_is_perfect(protocol):
    pairs = []
    for seed in range(5):
        true, _, of_true, _ = labels_of(seed)
        pairs.append(metrics.Pair(true, true, of_true, of_true, name=str(seed)))
    result = evaluated(pairs, protocol)
    distances = {"object_hausdorff", "object_hausdorff_finite"}
    for name, value in result.scores.items():
        if name in distances | {"fp_d", "fn_d"}:
            assert value == 0, name
        elif name not in {"classes", "tp_d"}:
            # The published 1e-6 keeps PQ of a class with few nuclei a little below 1.
            assert value == pytest.approx(1, abs=1e-5), name
    for scores in result["classes"].values():
        for name in scores.keys() & {"pq", "f_c", "r2", "acc", "f1", "object_dice"}:
            assert scores[name] == pytest.approx(1, abs=1e-5), name


@pytest.mark.parametrize("protocol", NAMES)
def test_images_without_nuclei_do_not_stop_it(protocol):
    true, pred, of_true, of_pred = labels_of(0)
    nothing, no_class = np.zeros_like(true), np.zeros(1, int)
    pairs = [
        metrics.Pair(nothing, nothing, no_class, no_class, name="both empty"),
        metrics.Pair(true, nothing, of_true, no_class, name="nothing found"),
        metrics.Pair(nothing, pred, no_class, of_pred, name="all false alarms"),
    ]
    for pair in pairs:
        result = evaluated([pair], protocol)
        for name in result.scores.keys() & {"pq", "dice", "aji", "f_d", "f1"}:
            assert result[name] == 0 or math.isnan(result[name]), (pair.name, name)
    result = evaluated(pairs, protocol)
    assert len(result.image_scores()) == 3
    json.dumps(metrics.to_json(result, samples=10), allow_nan=False)


@pytest.mark.parametrize("protocol", NAMES)
def test_without_classes(protocol):
    true, pred, *_ = labels_of(0)
    result = evaluated([metrics.Pair(true, pred, name="a")], protocol, None)
    assert "classes" not in result.scores
    assert all(math.isfinite(value) for value in result.scores.values())
    with_classes = evaluated([metrics.Pair(*labels_of(0), name="a")], protocol)
    for name, value in result.scores.items():
        assert value == pytest.approx(with_classes[name]), name


@pytest.mark.parametrize("protocol", NAMES)
def test_missing_classes_are_an_error_that_names_the_image(protocol):
    true, pred, *_ = labels_of(0)
    with pytest.raises(KaryoscopeError, match="tile 7"):
        evaluated([metrics.Pair(true, pred, name="tile 7")], protocol)


@pytest.mark.parametrize("protocol", NAMES)
def test_conventions_are_named(protocol):
    result = evaluated(pairs_of(range(2)), protocol)
    assert result.conventions.keys() == result.parts.keys()
    assert all(conventions for conventions in result.conventions.values())
    assert metrics.PROTOCOLS[protocol].repeats


@pytest.mark.parametrize("protocol", NAMES)
def test_stored_and_restored(protocol):
    result = evaluated(pairs_of(range(5)), protocol)
    stored = json.loads(json.dumps(metrics.to_json(result, samples=20), allow_nan=False))
    assert_equal_scores(result.scores, metrics.from_json(stored).scores)
    assert len(stored["per_image"]) == 5
    assert set(stored["intervals"]["classes"]) == set(LIZARD.names)
    bounds = [value for name, value in stored["intervals"].items() if name != "classes"]
    assert all(low <= high for low, high in bounds if isinstance(low, float))


@pytest.mark.parametrize("protocol", NAMES)
def test_cohorts_alone_are_their_images_alone(protocol):
    result = evaluated(pairs_of(range(6)), protocol)
    cohorts = result.by_cohort()
    assert list(cohorts) == ["0", "1"]
    assert_equal_scores(cohorts["1"].scores, evaluated(pairs_of([1, 3, 5]), protocol).scores)


@pytest.mark.parametrize("protocol", NAMES)
def test_run_less_itself_is_nothing(protocol):
    result = evaluated(pairs_of(range(5)), protocol)
    again = evaluated(pairs_of([3, 1, 0, 4, 2]), protocol)
    for name, value in result.difference(again, samples=20).items():
        if name != "classes" and not math.isnan(value["difference"]):
            assert value == pytest.approx({"difference": 0, "low": 0, "high": 0}, abs=1e-12)


def test_pannuke_by_hand():
    """Mean of classes that the image's truth has, of images, of tissues; 1e-6 in SQ alone."""

    def pq_of(true, pred):
        tp, fp, fn, sum_iou = brute_force.panoptic(true, pred)
        return tp / (tp + fp / 2 + fn / 2) * sum_iou / (tp + 1e-6) if tp + fn else np.nan

    by_tissue = {"0": [], "1": []}
    for seed in range(6):
        true, pred, of_true, of_pred = labels_of(seed)
        of_classes = [
            pq_of(np.where(of_true[true] == c, true, 0), np.where(of_pred[pred] == c, pred, 0))
            for c in LIZARD.ids
        ]
        by_tissue[str(seed % 2)].append((pq_of(true, pred), np.nanmean(of_classes), of_classes))
    result = evaluated(pairs_of(range(6)), "pannuke")
    images = [image for tissue in by_tissue.values() for image in tissue]
    for k, name in enumerate(("bpq", "mpq")):
        tissues = [np.mean([image[k] for image in tissue]) for tissue in by_tissue.values()]
        assert result[name] == pytest.approx(np.mean(tissues))
        assert result[f"{name}_images"] == pytest.approx(np.mean([image[k] for image in images]))
    of_classes = np.nanmean([image[2] for image in images], axis=0)
    found = [result["classes"][name]["pq"] for name in LIZARD.names]
    assert found == pytest.approx(of_classes)


def test_pq_is_dq_times_sq():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 9, (50, 4)).astype(float)
    for epsilon in ("none", "conic", "hover_net"):
        dq, sq, pq = metrics.panoptic_ratios(counts, epsilon)
        assert pq == pytest.approx(dq * sq, nan_ok=True)


def test_pooled_scores_are_those_of_one_large_image():
    """Images side by side, with ids of their own, are one image to a pooled score."""
    tiles = [labels_of(seed) for seed in range(4)]
    shift = 10_000
    true = np.hstack([np.where(t > 0, t + shift * i, 0) for i, (t, *_) in enumerate(tiles)])
    pred = np.hstack([np.where(p > 0, p + shift * i, 0) for i, (_, p, *_) in enumerate(tiles)])
    of_true = np.hstack([classes[t] for t, _, classes, _ in tiles])
    of_pred = np.hstack([classes[p] for _, p, _, classes in tiles])
    pooled, large = metrics.PanopticAccumulator(LIZARD), metrics.PanopticAccumulator(LIZARD)
    for tile in tiles:
        pooled.update(*tile)
    large.update(true, pred, of_true, of_pred)
    for name in ("pq_pooled", "mpq_plus", "mpq_plus_present"):
        assert pooled.compute()[name] == pytest.approx(large.compute()[name])
    for name in ("aji_pooled", "aji_plus_pooled"):
        pooled_j, large_j = metrics.JaccardAccumulator(), metrics.JaccardAccumulator()
        for tile in tiles:
            pooled_j.update(*tile)
        large_j.update(true, pred)
        assert pooled_j.compute()[name] == pytest.approx(large_j.compute()[name])


def test_pq_plus_of_conic_is_of_the_counts_of_all_images_together():
    tiles = [labels_of(seed) for seed in range(3)]
    outcome = metrics.score_pairs([metrics.Pair(*tile) for tile in tiles], "conic", LIZARD)
    counts = metrics.PanopticAccumulator(epsilon="conic")
    for true, pred, *_ in tiles:
        counts.update(true, pred)
    assert outcome["pq_plus"] == pytest.approx(counts.compute()["pq_pooled"])
    assert outcome["pq_plus"] != pytest.approx(outcome["pq"], abs=1e-6)


def test_protocol_and_scale_must_be_given():
    with pytest.raises(KaryoscopeError, match="no protocol 'cnoic'; there are conic"):
        metrics.score_pairs([], "cnoic")
    with pytest.raises(KaryoscopeError, match="mpp"):
        metrics.score_pairs([], "hovernet")
    with pytest.raises(KaryoscopeError, match="no images"):
        metrics.score_pairs([], "conic")


def test_images_of_one_name_are_refused():
    pair, other = pairs_of([1]), pairs_of([1])
    with pytest.raises(KaryoscopeError, match="two images are named '1'"):
        evaluated(pair + other, "conic")
    with pytest.raises(KaryoscopeError, match="'1' is in both"):
        evaluated(pair, "conic").merge(evaluated(other, "conic"))


def test_public_name():
    import karyoscope

    assert karyoscope.score_pairs is metrics.score_pairs


def test_differing_sizes_name_the_image():
    with pytest.raises(KaryoscopeError, match="tile 3: true label map is"):
        metrics.Pair(np.zeros((4, 4), int), np.zeros((4, 5), int), name="tile 3")


def test_prediction_in_the_classes_of_another_taxonomy():
    colors = {"color": [0, 0, 0]}
    names = ["inflammatory", "epithelial", "spindle", "other"]
    coarse = Taxonomy.from_dict(
        {
            "name": "coarse",
            "classes": [{"id": i, "name": name} | colors for i, name in enumerate(names, 1)],
        }
    )
    merges = dict.fromkeys(LIZARD.names, "inflammatory")
    merges |= {"epithelial": "epithelial", "connective": "spindle"}
    fine = replace(LIZARD, merges={"coarse": merges})
    true, _, of_true, _ = labels_of(1)
    merged = fine.lookup_to(coarse)[of_true]
    pair = metrics.Pair(true, true, merged, of_true, name="a")
    result = metrics.score_pairs([pair], "hovernet", coarse, 0.5, pred_taxonomy=fine)
    assert result["acc"] == 1.0
    assert math.isnan(result["classes"]["other"]["f_c"])


def test_truth_of_points_is_scored_by_distance_alone():
    true, pred, of_true, of_pred = labels_of(2)
    outlines = metrics.Pair(true, pred, of_true, of_pred, name="a")
    points, classes = outlines.centroids("true")
    pair = metrics.Pair(
        np.zeros_like(pred),
        pred,
        None,
        of_pred,
        name="a",
        points=np.column_stack([points, classes]),
    )
    result = evaluated([pair], "hovernet")
    expected = evaluated([outlines], "hovernet")
    for name in ("f_d", "acc", "f_c"):
        assert result[name] == pytest.approx(expected[name])
    assert math.isnan(result["pq"])
    assert result.image_scores()[0]["f_d"] == pytest.approx(expected["f_d"])
    assert result.intervals(samples=10).keys() >= {"f_d", "acc"}
