"""``karyoscope tune``: both sets of parameters, the check across halves, and usage."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tifffile

import karyoscope
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.lock import locked_output
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Record, Sample, open_dataset
from karyoscope.datasets.folder import write_folder
from karyoscope.datasets.split import Split, write_split
from karyoscope.evaluation import (
    ModelPredictions,
    ScoringOptions,
    composition,
    evaluate,
    evaluate_predictions,
)
from karyoscope.inference import find_bundle, load_model
from tiny_model import CARD, write_bundle

TWO = Taxonomy.from_dict(CARD["taxonomy"])
#: What the annotator of the truth sees of the tiny model's nuclei.
SEEN = {"min_area_um2": 2.0, "foreground": 0.3}


@pytest.fixture(scope="module")
def truth(tmp_path_factory, tiny_bundle, example_slide):
    """Real tissue of two slides; the truth is what the model says with other parameters."""
    root = tmp_path_factory.mktemp("truth")
    spec = {"name": "three_label", "params": SEEN}
    model = load_model(write_bundle(root / "seer", postprocessing=spec), "cpu", 1)
    whole = tifffile.imread(example_slide)
    samples = []
    for k, (y, x) in enumerate(((900, 900), (1000, 1200), (1500, 900), (700, 1300))):
        image = np.ascontiguousarray(whole[y : y + 256, x : x + 256])
        nuclei = karyoscope.segment(image, 0.5, model).renumber()
        labels = nuclei.label_image(256, 256).astype(np.int32)
        record = Record(f"i{k}", f"slide {k // 2}")
        samples.append(Sample(record, image, labels, np.append(0, nuclei.class_id), TWO, 0.5))
    write_folder(samples, root / "set", TWO)
    return root / "set"


@pytest.fixture
def tune(run, truth, tiny_bundle):
    def call(*arguments):
        usual = ("--truth", truth, "--device", "cpu", "--workers", 1, "--rounds", 1)
        return run("tune", tiny_bundle, *usual, "--by-class", "nothing", *arguments)

    return call


def test_both_sets_of_parameters(tune, tmp_path):
    result = tune("--out", tmp_path / "tuned", "--score", "mean,r2")
    assert result.code == 0, result.err
    report = json.loads(result.out)
    card = find_bundle(tmp_path / "tuned").card
    assert report["mean"]["after"] > report["mean"]["before"]
    assert report["r2"]["after"] > report["r2"]["before"]
    assert card.postprocessing.params == report["mean"]["params"]
    assert card.counting.params == report["r2"]["params"]
    assert card.counting.name == "three_label"


def test_tuning_one_set_leaves_the_other(tune, tmp_path):
    assert tune("--out", tmp_path / "tuned", "--score", "r2").code == 0
    card = find_bundle(tmp_path / "tuned").card
    assert card.postprocessing.params == CARD["postprocessing"]["params"]
    assert card.counting is not None


def test_two_at_once_into_one_bundle(tune, tmp_path):
    with locked_output(tmp_path / "tuned"):
        result = tune("--out", tmp_path / "tuned", "--score", "r2")
    assert result.code == 1
    assert "is writing these results" in result.lines[-1]
    assert not (tmp_path / "tuned").exists()


def test_the_check_across_halves(tune, tmp_path):
    result = tune("--cross-check", "--score", "pq")
    assert result.code == 0, result.err
    found = json.loads(result.out)["cross_check"]["pq"]
    assert found["gain"] > 0
    assert len(found["own"]) == len(found["other"]) == len(found["params"]) == 2
    assert f"gain on the half not tuned on: {found['gain']:+.4f}" in result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give --out, --cross-check or both"),
        (("--cross-check", "--score", "speed"), "--score speed: there are mean, mpq_plus, pq, r2"),
        (("--cross-check", "--by-class", "edge"), "no 'edge' by class"),
    ],
)
def test_usage(tune, arguments, words):
    result = tune(*arguments)
    assert result.code in (1, 2)
    assert words in " ".join(result.err.replace("│", " ").split())


def test_class_weights_alone_by_the_images_of_one_part(run, truth, tiny_bundle, tmp_path):
    split = tmp_path / "split.json"
    parts = {"train": ["i0", "i1"], "validation": ["i2", "i3"]}
    write_split(Split(parts, {"train": 0.5, "validation": 0.5}, 0, {}), split)
    usual = ("--truth", truth, "--split", split, "--device", "cpu", "--workers", 1)
    out = ("--rounds", 1, "--only", "class_weights", "--out", tmp_path / "tuned")
    found = {}
    for part in ("train", "validation"):
        result = run("tune", tiny_bundle, *usual, "--part", part, *out)
        assert result.code == 0, result.err
        found[part] = json.loads(result.out)["mean"]
        params = find_bundle(tmp_path / "tuned").card.postprocessing.params
        now = CARD["postprocessing"]["params"]
        assert {**params, "class_weights": 0} == {**now, "class_weights": 0}
    assert found["train"]["before"] != found["validation"]["before"]


def test_the_card_has_scores_with_intervals_before_and_after(run, tune, truth, tmp_path):
    assert tune("--out", tmp_path / "tuned", "--score", "mean,r2").code == 0
    scores = find_bundle(tmp_path / "tuned").card.scores
    before, after = (scores[f"set, {when} tuning"] for when in ("before", "after"))
    for entry in (before, after):
        assert (entry["images"], entry["sources"]) == (4, 2)
        for name in ("pq", "mpq_plus", "r2"):
            found = entry[name]
            assert found["low"] <= found["score"] <= found["high"], name
    assert after["pq"]["score"] > before["pq"]["score"]
    assert after["tuned_on"] == "these images"
    scored = run(
        "evaluate", "--model", tmp_path / "tuned", "--truth", truth, "--patches", 0,
        "--device", "cpu", "--workers", 1, "--into-card", "--json",
    )  # fmt: skip
    assert scored.code == 0, scored.err
    data, bundle = json.loads(scored.out), find_bundle(tmp_path / "tuned")
    entry = bundle.card.scores["set"]
    assert entry["pq"]["score"] == pytest.approx(data["pq"], abs=1e-4)
    assert entry["pq"]["score"] == after["pq"]["score"]
    # A further search names what was measured before it.
    assert run(
        "tune", tmp_path / "tuned", "--truth", truth, "--device", "cpu", "--workers", 1,
        "--rounds", 1, "--only", "seed", "--out", tmp_path / "again",
    ).code == 0  # fmt: skip
    later = find_bundle(tmp_path / "again").card.scores
    assert later["set, before it was tuned"] == entry
    assert "set" not in later


def test_a_tuned_bundle_has_no_steadiness_of_other_parameters(run, truth, tmp_path):
    measured = {"images": ["a"], "changes": {"turns": {"nuclei": 5, "found_again": 0.9}}}
    bundle = write_bundle(tmp_path / "measured", steadiness=measured)
    assert find_bundle(bundle).card.steadiness.images == ("a",)
    assert run(
        "tune", bundle, "--truth", truth, "--device", "cpu", "--workers", 1,
        "--rounds", 1, "--only", "seed", "--out", tmp_path / "tuned",
    ).code == 0  # fmt: skip
    assert find_bundle(tmp_path / "tuned").card.steadiness is None


def test_a_page_that_was_made_of_the_card_follows_it(tune, truth, tmp_path):
    from karyoscope.evaluation.card_scores import rewritten
    from karyoscope.inference.readme import readme_of
    from karyoscope.inference.rewrite import rewrite_bundle

    tiny = find_bundle(write_bundle(tmp_path / "tiny"))
    mine = find_bundle(rewrite_bundle(tiny, tmp_path / "mine", {}, "By hand.\n"))
    made = find_bundle(rewrite_bundle(mine, tmp_path / "made", {}, readme_of(mine.card)))
    entry = {"images": 2, "pq": {"score": 0.5, "low": 0.4, "high": 0.6}}
    for bundle in (mine, made):
        page = bundle.read("README.md").decode()
        rewritten(bundle, bundle.path, {"scores": {"there": entry}})
        now = find_bundle(bundle.path).read("README.md").decode()
        if bundle is made:
            assert "| there | 2 | 0.500 [0.400, 0.600] |" in now
        else:
            assert now == page, "a page that a person wrote stays"


def test_scores_go_into_the_card_of_a_folder_alone(run, truth):
    usual = ("--truth", truth, "--device", "cpu", "--workers", 1, "--into-card")
    result = run("evaluate", truth, *usual)
    assert result.code == 2
    result = run("evaluate", "--model", "lizard", *usual)
    assert result.code == 1
    assert "scores are written to the folder of a bundle" in result.err
    with pytest.raises(KaryoscopeError, match="card of a bundle given by its path"):
        evaluate(truth, model=load_model("lizard", "cpu", 1), into_card=True)
    options = ScoringOptions(records=["x"])
    with pytest.raises(KaryoscopeError, match="a split or the names of images"):
        evaluate(truth, truth, options=options, split=truth / "split.json")


def test_a_part_without_a_split_is_not_passed_over(run, tune, truth):
    assert "--part train is a part of --split" in tune("--cross-check", "--part", "train").err
    result = run("evaluate", "--model", "lizard", "--truth", truth, "--part", "test")
    assert (result.code, "--part test is a part of --split" in result.err) == (2, True)


def test_images_without_the_classes_of_the_model_tune_outlines(run, truth, tiny_bundle, tmp_path):
    for table in (truth / "labels").glob("*.csv"):
        (tmp_path / "plain" / "labels").mkdir(parents=True, exist_ok=True)
        shutil.copy(table.with_suffix(".png"), tmp_path / "plain" / "labels")
    shutil.copytree(truth / "images", tmp_path / "plain" / "images")
    usual = ("--truth", tmp_path / "plain", "--mpp", 0.5, "--device", "cpu", "--workers", 1)
    out = ("--rounds", 1, "--out", tmp_path / "tuned")
    result = run("tune", tiny_bundle, *usual, *out)
    assert result.code == 1
    assert "or tune outlines alone with --score pq" in result.err
    result = run("tune", tiny_bundle, *usual, *out, "--score", "pq")
    assert result.code == 0, result.err
    assert "outlines alone are tuned by" in result.err
    found = json.loads(result.out)["pq"]
    assert found["after"] > found["before"]
    assert "class_weights" not in found["params"]


def test_a_parameter_to_search_that_is_misspelt(tune, tmp_path):
    result = tune("--only", "class_weigths", "--out", tmp_path / "tuned")
    assert result.code == 1
    assert result.err.count("\n") == 1
    assert "no 'class_weigths' to tune" in result.err
    assert "do you mean class_weights?" in result.err
    assert not (tmp_path / "tuned").exists()


def test_a_stain_given_by_hand_or_held_by_the_bundle(run, truth, tiny_bundle, tmp_path):
    own = write_bundle(tmp_path / "own", input=CARD["input"] | {"stain": "clahe"})
    found = {}
    for name, bundle, stain in (
        ("none", tiny_bundle, ()),
        ("given", tiny_bundle, ("--stain", "clahe")),
        ("held", own, ()),
        ("twice", own, ("--stain", "clahe")),
    ):
        here = ("--truth", truth, "--device", "cpu", "--workers", 1, *stain)
        tuning = ("--by-class", "nothing", "--rounds", 1, "--score", "pq", "--out", tmp_path / "t")
        tuned = run("tune", bundle, *here, *tuning)
        scored = run("evaluate", "--model", bundle, *here, "--patches", 0, "--json")
        if name == "twice":
            for result in (tuned, scored):
                assert result.code == 1
                assert "model 'tiny' applies clahe by itself" in result.err
            continue
        data = json.loads(scored.out)
        found[name] = json.loads(tuned.out)["pq"], data["pq"], data["scored"]
        assert found[name][0]["before"] == pytest.approx(found[name][1], abs=1e-6)
    assert found["given"][:2] == found["held"][:2] != found["none"][:2]
    assert "stain clahe" in json.dumps(found["given"][2])
    assert find_bundle(tmp_path / "t").card.input.stain == "clahe", "a tuned bundle keeps its own"


def test_a_stain_is_not_for_predictions(run, truth):
    result = run("evaluate", truth, "--truth", truth, "--stain", "clahe")
    assert result.code == 2
    assert "--stain is for --model" in " ".join(result.err.split())


def test_images_of_another_scale_are_resampled(tune, truth, tmp_path):
    """Twice as large, pixel by pixel: brought to the model's scale they are what they were."""
    samples = [
        replace(
            sample,
            image=np.kron(sample.image, np.ones((2, 2, 1), np.uint8)),
            inst_map=np.kron(sample.inst_map, np.ones((2, 2), np.int32)),
            mpp=0.25,
        )
        for sample in open_dataset(truth)
    ]
    write_folder(samples, tmp_path / "set", TWO)
    usual = ("--cross-check", "--score", "pq")
    large, small = tune(*usual, "--truth", tmp_path / "set"), tune(*usual)
    assert large.code == 0, large.err
    assert json.loads(large.out) == json.loads(small.out)


def test_evaluation_counts_by_the_parameters_for_counting(truth, tmp_path):
    """Those for counting are the truth's own, so that R² is 1 while PQ is not."""
    spec = {"name": "three_label", "params": SEEN}
    dataset = open_dataset(truth)
    runs = []
    for name, counting in (("plain", None), ("both", spec)):
        bundle = write_bundle(tmp_path / name, counting=counting)
        model = load_model(bundle, "cpu", 1)
        calls = []
        run = model.engine.run
        model.engine.run = lambda images, run=run, calls=calls: (calls.append(1), run(images))[1]
        outcome = evaluate_predictions(dataset, ModelPredictions(model))
        runs.append((outcome, len(calls)))
    (plain, calls), (both, calls_of_both) = runs
    assert plain.evaluation["pq"] == both.evaluation["pq"] < 1
    assert plain.evaluation["r2"] < both.evaluation["r2"] == 1
    assert calls == calls_of_both, "the network runs once"
    assert "counting by parameters of its own" in both.predictions
    assert "counting" not in plain.predictions

    sample = dataset.load(dataset.records[0])
    counts = composition(sample.image, 0.5, load_model(tmp_path / "both", "cpu", 1))
    inner = np.unique(sample.inst_map[16:-16, 16:-16])[1:]
    expected = np.bincount(sample.classes[inner], minlength=3)[1:]
    assert list(counts.items()) == list(zip(TWO.names, expected.tolist(), strict=True))
    whole = composition(sample.image[:200], 0.5, load_model(tmp_path / "both", "cpu", 1))
    assert sum(whole.values()) > 0
