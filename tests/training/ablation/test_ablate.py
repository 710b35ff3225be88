"""The whole way: rows trained, scored, tabled; failures named, results kept."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("lightning")
pytest.importorskip("timm")
pytest.importorskip("onnx")

from typer.testing import CliRunner

from karyoscope.cli import ablate as command
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Record, Sample
from karyoscope.datasets.folder import write_folder
from karyoscope.datasets.image_files import read_rgb
from karyoscope.datasets.split import Split, read_split, write_split
from karyoscope.training.ablation.grid import Grid, Row, load_grid
from karyoscope.training.ablation.runs import ablate
from karyoscope.training.ablation.settings import AblationSettings
from karyoscope.training.ablation.table import table_of

SMALL = {
    "network.pretrained": False,
    "network.encoder": "test_efficientnet",
    "network.channels": [8, 8, 8, 8],
    "training.tile": 64,
    "training.batch_size": 2,
    "training.precision": "fp32",
    "training.ema": 0,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Quarters of four real images in two cohorts, a split, and a grid of small rows."""
    import cv2

    root = tmp_path_factory.mktemp("ablate")
    taxonomy = Taxonomy.load("nucleus")
    data = Path(__file__).parents[2] / "data" / "dsb2018"
    samples = []
    for k, path in enumerate(sorted((data / "labels").glob("*.png"))[:4]):
        labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.int32)[:128, :128]
        image = np.ascontiguousarray(read_rgb(data / "images" / path.name)[:128, :128])
        classes = (np.arange(labels.max() + 1) > 0).astype(np.uint8)
        record = Record(f"i{k}", f"s{k}", "xy"[k % 2])
        samples.append(Sample(record, image, labels, classes, taxonomy, 0.5))
    write_folder(samples, root / "data", taxonomy)
    parts = {"train": ["i0", "i1"], "validation": ["i2", "i3"]}
    write_split(Split(parts, {}, 0, {}), root / "split.json")
    grid = {
        "name": "small",
        "about": "Rows for a test.",
        "differences": "Fewer images [four] than in any paper.",
        "budget": {"steps": 2},
        "set": SMALL
        | {
            "data": [{"path": str(root / "data")}],
            "taxonomy": "nucleus",
            "validation.split": str(root / "split.json"),
        },
        "rows": [
            {"name": "plain", "corresponds_to": "row 1"},
            {"name": "broken", "set": {"network.encoder": "no_such_encoder"}},
            {"name": "stricter", "trained_as": "plain", "set": {"postprocessing.seed": 0.6}},
            {"name": "tuned", "trained_as": "plain", "leave_out": None,
             "tune": {"shared": ["foreground"]}},
            {"name": "after-broken", "trained_as": "broken"},
        ],
    }  # fmt: skip
    (root / "grid.yaml").write_text(yaml.safe_dump(grid))
    return root


@pytest.mark.slow
def test_rows_are_trained_scored_and_tabled_and_failures_named(place, tmp_path):
    arguments = ["lizard", str(place / "grid.yaml"), "--out", str(tmp_path / "a"),
                 "--device", "cpu", "--workers", "1"]  # fmt: skip
    result = CliRunner().invoke(command.app, arguments)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit), result.exception
    assert "Fewer images [four] than in any paper." in " ".join(result.stdout.split())
    with (tmp_path / "a" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["row"] for row in rows] == ["plain", "stricter", "tuned"]
    assert rows[0]["corresponds to"] == "row 1"
    assert all(0 <= float(row["PQ"]) <= 1 for row in rows)
    assert rows[0]["steps"] == "2"
    assert float(rows[0]["images/s"]) > 0
    text = (tmp_path / "a" / "table.md").read_text("utf-8")
    assert "* broken-seed0: " in text
    assert "encoder 'no_such_encoder' cannot be built" in text
    assert "row 'broken', whose network it takes, has failed" in text
    card = yaml.safe_load((tmp_path / "a/stricter-seed0/bundle/model.yaml").read_text("utf-8"))
    assert card["postprocessing"]["params"]["seed"] == 0.6
    tuned = json.loads((tmp_path / "a/tuned-seed0/result.json").read_text("utf-8"))["scores"]
    assert (tuned["images"], len(tuned["tuned"])) == (2, 2)
    assert "Traceback" in (tmp_path / "a/broken-seed0/failed.txt").read_text("utf-8")

    # Again: refused without --resume; with it, finished rows are kept as they are.
    again = CliRunner().invoke(command.app, arguments)
    assert isinstance(again.exception, KaryoscopeError)
    assert "--resume" in str(again.exception)
    kept = tmp_path / "a" / "plain-seed0" / "result.json"
    stored = json.loads(kept.read_text("utf-8"))
    stored["scores"]["pq"] = 0.125
    # As by an earlier version of the grid, whose texts and published figures were others.
    stored["asked"]["row"] |= {"corresponds_to": "row 2", "published": {"PQ": 0.5}}
    kept.write_text(json.dumps(stored))
    shutil.rmtree(tmp_path / "a" / "stricter-seed0")
    resumed = CliRunner().invoke(command.app, [*arguments, "--resume"])
    assert resumed.exit_code == 1
    with (tmp_path / "a" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["row"] for row in rows] == ["plain", "stricter", "tuned"]
    assert rows[0]["PQ"] == "0.125"
    other = CliRunner().invoke(command.app, [*arguments, "--resume", "--steps", "3"])
    assert "holds results of other changes or of another budget" in str(other.exception)


@pytest.mark.slow
def test_cohorts_are_left_out_in_turn(place, tmp_path):
    grid = load_grid(place / "grid.yaml")
    grid = grid.model_copy(update={"rows": [Row(name="plain", leave_out="each")]})
    outcome = ablate(grid, AblationSettings("lizard", tmp_path, (), "cpu", 1))
    assert outcome.problems == []
    assert [job.cohort for job, _ in outcome.results] == ["x", "y"]
    split = read_split(tmp_path / "plain-x-seed0" / "split.json")
    assert split.parts == {"train": ["i1", "i3"], "validation": ["i0", "i2"]}
    assert [result["scores"]["images"] for _, result in outcome.results] == [2, 2]
    _, rows = table_of(outcome)
    assert [row[0] for row in rows] == ["plain, x left out", "plain, y left out", "plain"]


@pytest.mark.slow
def test_test_images_are_in_no_training_and_in_no_score_of_a_cohort(place, tmp_path):
    grid = load_grid(place / "grid.yaml")
    parts = {"train": ["i0", "i1"], "validation": ["i2"], "test": ["i3"]}
    write_split(Split(parts, {}, 0, {}), tmp_path / "split.json")
    update = {"rows": [Row(name="plain", leave_out="each")]}
    grid = grid.model_copy(update=update)
    change = f"validation.split={tmp_path / 'split.json'}"
    outcome = ablate(grid, AblationSettings("lizard", tmp_path / "out", (change,), "cpu", 1))
    assert outcome.problems == []
    assert [result["scores"]["images"] for _, result in outcome.results] == [2, 1]
    for cohort, wanted in (("x", ["i1"]), ("y", ["i0", "i2"])):
        file = tmp_path / "out" / f"plain-{cohort}-seed0" / "run" / "trained_on.json"
        assert sorted(json.loads(file.read_text("utf-8"))["data"][0]["train"]) == wanted


@pytest.mark.slow
def test_each_fold_is_left_out_and_scored(place, tmp_path):
    grid = load_grid(place / "grid.yaml")
    # i3 is a test image, which is in no fold.
    parts = {"train": ["i0", "i1"], "validation": ["i2"], "test": ["i3"]}
    write_split(Split(parts, {}, 0, {}), tmp_path / "split.json")
    own = {"truth": place / "data", "name": "own", "split": tmp_path / "split.json"}
    sets = [
        {**own, "protocol": "hovernet"},
        {**own, "part": "test"},
    ]
    rows = [{"name": "plain"}, {"name": "stricter", "trained_as": "plain",
            "set": {"postprocessing.seed": 0.6}}]  # fmt: skip
    grid = Grid.model_validate(
        {
            "name": "folds",
            "budget": {"steps": 1},
            "folds": 3,
            "score": sets,
            "set": grid.set | {"validation.split": str(tmp_path / "split.json")},
            "rows": rows,
        }
    )
    out = tmp_path / "out"
    outcome = ablate(grid, AblationSettings("lizard", out, (), "cpu", 1))
    assert outcome.problems == []
    folders = [f"{row}-fold{k}of3-seed0" for row in ("plain", "stricter") for k in (1, 2, 3)]
    assert [job.folder for job, _ in outcome.results] == folders
    division = read_split(out / "plain-folds3.json").parts
    assert sorted(name for k in "123" for name in division[k]) == ["i0", "i1", "i2"]
    assert division["test"] == ["i3"]
    for job, result in outcome.results:
        assert (result["scores"]["images"], result["also"][0]["images"]) == (1, 1)
        if job.row.name == "plain":
            data = json.loads((out / job.folder / "run/trained_on.json").read_text("utf-8"))["data"]
            (held,) = division[str(job.fold)]
            assert sorted(data[0]["train"]) == sorted({"i0", "i1", "i2"} - {held})
    _, lines = table_of(outcome)
    assert [line[0] for line in lines] == [
        f"{row} on own" for row in ("plain", "stricter") for _ in range(2)
    ]
    assert all("±" in line[1] for line in lines[::2])
    again = ablate(grid, AblationSettings("lizard", out, (), "cpu", 1), resume=True)
    assert again.results == outcome.results
    # Results by a division of other images are not kept: one of them may be a test image now.
    parts = {"train": ["i0", "i1"], "validation": ["i2", "i3"]}
    write_split(Split(parts, {}, 0, {}), tmp_path / "split.json")
    other = ablate(grid, AblationSettings("lizard", out, (), "cpu", 1), resume=True)
    assert (len(other.problems), other.results) == (2, [])
    for line in other.problems:
        assert "plain-folds3.json divides other images than the recipe has now" in line


def test_folds_and_cohorts_are_not_left_out_together(place, tmp_path):
    grid = load_grid(place / "grid.yaml")
    rows = [Row(name="plain", leave_out="each")]
    grid = grid.model_copy(update={"rows": rows, "folds": 2})
    with pytest.raises(
        KaryoscopeError, match="row 'plain' leaves out cohorts, and the grid has folds"
    ):
        ablate(grid, AblationSettings("lizard", tmp_path / "out", (), "cpu", 1))
    assert not (tmp_path / "out").exists()


def test_too_few_sources_for_folds_are_found_before_any_training(place, tmp_path):
    arguments = ["lizard", str(place / "grid.yaml"), "--out", str(tmp_path / "out")]
    planned = [*arguments, "--dry-run", "--seeds", "2", "--folds"]
    result = CliRunner().invoke(command.app, [*planned, "4"])
    words = " ".join(result.output.split())
    assert "plain lizard 2 for each of 4 folds 2 steps" in words
    assert "sources cannot make" not in words
    result = CliRunner().invoke(command.app, [*planned, "5"])
    assert result.exit_code == 1
    assert "images of 4 sources cannot make 5 folds" in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()


def test_what_a_fold_would_choose_or_tune_on_is_found_before_any_training(place, tmp_path):
    grid = yaml.safe_load((place / "grid.yaml").read_text("utf-8"))
    away = {"truth": str(place / "data"), "split": str(place / "split.json"), "part": "train"}
    grid |= {"folds": 3, "score": [away], "rows": [{"name": "plain"}]}
    choosing = ["--set", "training.keep_parent=choose", "--set", "start=lizard"]
    tuned = {"name": "tuned", "tune": {"shared": ["foreground"]}}
    for changes, more, words in (
        (choosing, {}, "plain: training.keep_parent: choose would choose on the images"),
        (choosing[2:], {}, "if the model that it starts from (lizard) was trained on images of"),
        ([], {"score": [], "rows": [tuned]}, "tuned: it is tuned on one half of a fold"),
    ):
        (tmp_path / "grid.yaml").write_text(json.dumps(grid | more))
        arguments = ["lizard", str(tmp_path / "grid.yaml"), "--out", str(tmp_path / "out")]
        result = CliRunner().invoke(command.app, [*arguments, *changes, "--dry-run"])
        assert words in " ".join(result.output.split())


def test_a_dry_run_names_what_rows_lack_and_writes_nothing(place, tmp_path):
    grid = yaml.safe_load((place / "grid.yaml").read_text("utf-8"))
    grid["score"] = [{"truth": "nowhere/tnbc", "name": "TNBC", "protocol": "hovernet"}]
    away = {"data": [{"path": "nowhere/lizard"}]}
    grid["rows"] = [
        {"name": "plain", "leave_out": "each"},
        {"name": "away", "set": away},
        {"name": "further", "set": away | {"network.pretrained": "no.safetensors"}},
        {"name": "stricter", "trained_as": "away", "set": {"postprocessing.seed": 0.6}},
    ]
    (tmp_path / "grid.yaml").write_text(json.dumps(grid))  # without YAML's aliases
    arguments = ["lizard", str(tmp_path / "grid.yaml"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(command.app, [*arguments, "--seeds", "3", "--dry-run"])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit), result.exception
    words = " ".join(result.output.split())
    assert "plain lizard 3 for each cohort 2 steps" in words
    assert "stricter lizard as away 2 steps" in words
    assert "away, further, stricter: no images at nowhere/lizard from " in words
    assert "further: " in words.partition("away, further")[2]
    assert "not scored on TNBC: nothing at nowhere/tnbc" in words
    assert not (tmp_path / "out").exists()


def test_a_grid_whose_data_are_elsewhere_ends_before_any_training(place, tmp_path):
    changes = [f"{key}={json.dumps(value)}" for key, value in SMALL.items()]
    grid = Grid(name="g", rows=[Row(name="a"), Row(name="b", set={"optimiser.lr": 0.1})])
    settings = AblationSettings("lizard", tmp_path / "out", [*changes, "data=[{path: nowhere}]"])
    with pytest.raises(KaryoscopeError, match="no row can be trained; a: no images at nowhere"):
        ablate(grid, settings)
    assert not (tmp_path / "out").exists()
