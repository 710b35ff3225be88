"""``karyoscope evaluate`` and ``karyoscope compare`` from the outside."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from typer.testing import CliRunner

from karyoscope.cli import compare, evaluate, main
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Record, Sample, open_dataset
from karyoscope.datasets.folder import write_folder
from karyoscope.datasets.split import Split, write_split
from karyoscope.inference import shipped_models
from karyoscope.metrics import Pair, score_pairs, to_json

LIZARD = Taxonomy.load("lizard")
NAMES = ("a", "b", "c", "d")
runner = CliRunner()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A truth of squares, exact predictions, and ones that are a pixel off."""
    root = tmp_path_factory.mktemp("evaluate")
    samples = []
    for k, name in enumerate(NAMES):
        inst_map = np.zeros((96, 96), np.int32)
        for i in range(9):
            y, x = 8 + 30 * (i // 3), 8 + 30 * (i % 3)
            inst_map[y : y + 10 + k, x : x + 12] = i + 1
        classes = np.array([0, *(1 + i % 6 for i in range(9))], np.uint8)
        image = np.full((96, 96, 3), 200, np.uint8)
        record = Record(name, f"slide {k // 2}", "xy"[k % 2])
        samples.append(Sample(record, image, inst_map, classes, LIZARD, 0.5))
    write_folder(samples, root / "truth", LIZARD)
    for folder, shift in (("exact", 0), ("moved", 1)):
        (root / folder).mkdir()
        for sample in samples:
            content = {
                "inst_map": np.roll(sample.inst_map, shift, axis=0),
                "inst_uid": np.arange(1, 10)[:, None],
                "inst_type": sample.classes[1:, None],
            }
            scipy.io.savemat(root / folder / f"{sample.record.name}.mat", content)
    return root


def run(app, *arguments):
    return runner.invoke(app, [str(a) for a in arguments], catch_exceptions=False)


def test_table_names_scores_classes_and_conventions(folders):
    result = run(evaluate.app, folders / "moved", "--truth", folders / "truth", "--by", "cohort")
    assert result.exit_code == 0
    for text in ("mPQ+", "R²", "AJI+", "plasma", "by cohort", "IoU > 0.5", "CoNIC 2022", "absent"):
        assert text in result.stdout, text


@pytest.mark.parametrize(
    ("protocol", "keys"),
    [
        ("conic", "pq dq sq dice aji aji_plus mpq_plus r2"),
        ("hovernet", "pq dq sq dice dice2 aji aji_plus f_d f_c"),
        ("pannuke", "pq dq sq bpq mpq"),
        ("qu", "f1 object_dice object_hausdorff"),
    ],
)
def test_json_is_one_object_with_the_scores_of_the_protocol(folders, protocol, keys):
    arguments = folders / "exact", "--truth", folders / "truth", "--protocol", protocol, "--json"
    result = run(evaluate.app, *arguments)
    data = json.loads(result.stdout)
    for key in keys.split():
        assert data[key] == pytest.approx(0 if "hausdorff" in key else 1, abs=1e-4), key
    assert list(data["classes"]) == list(LIZARD.names)
    assert data["protocol"] == protocol
    assert data["scored"]["problems"] == []


def test_files_are_written(folders, tmp_path):
    out = tmp_path / "deep" / "out"
    arguments = folders / "moved", "--truth", folders / "truth", "--out", out
    run(evaluate.app, *arguments)
    assert {p.name for p in out.iterdir()} == {"evaluation.json", "evaluation.html", "images.csv"}
    assert json.loads((out / "evaluation.json").read_text("utf-8"))["images"] == 4
    with pytest.raises(KaryoscopeError, match=r"evaluation\.json exists; use --overwrite"):
        run(evaluate.app, *arguments)
    assert run(evaluate.app, *arguments, "--overwrite").exit_code == 0


def test_folder_that_cannot_be_made_is_named_before_the_work(folders, tmp_path):
    (tmp_path / "file").write_text("")
    arguments = folders / "moved", "--truth", folders / "truth", "--out", tmp_path / "file"
    with pytest.raises(KaryoscopeError, match=r"cannot write .*file: "):
        run(evaluate.app, *arguments)


def test_classes_of_predictions_can_be_named(folders):
    arguments = folders / "exact", "--truth", folders / "truth", "--json"
    with pytest.raises(KaryoscopeError, match="class '6' is not in taxonomy 'pannuke'"):
        run(evaluate.app, *arguments, "--predicted-classes", "pannuke", "--records", "a")


def test_missing_prediction_is_named_and_gives_exit_code_1(folders, tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.mat").write_bytes((folders / "exact" / f"{name}.mat").read_bytes())
    result = run(evaluate.app, tmp_path, "--truth", folders / "truth", "--json")
    assert result.exit_code == 1
    assert "karyoscope: no MATLAB files called d" in result.stderr
    assert json.loads(result.stdout)["images"] == 3


def test_choice_by_split_and_by_name(folders, tmp_path):
    write_split(Split({"train": ["a", "b"], "validation": ["d"]}, {}, 0, {}), tmp_path / "s.json")
    common = folders / "exact", "--truth", folders / "truth", "--json"
    for arguments, names in (
        (("--split", tmp_path / "s.json"), ["d"]),
        (("--split", tmp_path / "s.json", "--part", "train"), ["a", "b"]),
        (("--records", "a,c"), ["a", "c"]),
    ):
        data = json.loads(run(evaluate.app, *common, *arguments).stdout)
        assert [row["name"] for row in data["per_image"]] == names
    (tmp_path / "names.txt").write_text("b\n\n c \n")
    data = json.loads(run(evaluate.app, *common, "--records", tmp_path / "names.txt").stdout)
    assert [row["name"] for row in data["per_image"]] == ["b", "c"]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("exact", "--model", "lizard"),
        ("exact", "--by", "slide"),
        ("exact", "--split", "s.json", "--records", "a"),
        ("exact", "--patches", "9"),
    ],
)
def test_wrong_usage_gives_exit_code_2(folders, arguments):
    arguments = [folders / a if a == "exact" else a for a in arguments]
    result = run(evaluate.app, *arguments, "--truth", folders / "truth")
    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evaluate", "nowhere", "--truth", "TRUTH"), "nowhere: no such file or folder"),
        (("evaluate", "EXACT", "--truth", "nowhere"), "nowhere: no such folder"),
        (("evaluate", "EXACT", "--truth", "TRUTH", "--protocol", "x"), "no protocol 'x'"),
        (("evaluate", "EXACT", "--truth", "TRUTH", "--records", "z"), "no image z in the truth"),
        (("compare", "nowhere", "nowhere"), "nowhere: not readable as an evaluation"),
    ],
)
def test_what_cannot_be_done_is_one_line(folders, arguments, message, monkeypatch, capsys):
    places = {"TRUTH": str(folders / "truth"), "EXACT": str(folders / "exact")}
    monkeypatch.setattr(sys, "argv", ["karyoscope", *(places.get(a, a) for a in arguments)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert message in lines[0]


def test_compare_two_runs(folders, tmp_path):
    for name in ("exact", "moved"):
        run(evaluate.app, folders / name, "--truth", folders / "truth", "--out", tmp_path / name)
    paths = [tmp_path / name / "evaluation.json" for name in ("exact", "moved")]
    found = json.loads(run(compare.app, *paths, "--json").stdout)
    assert found["aji"]["first"] == 1
    assert found["aji"]["difference"] == pytest.approx(found["aji"]["second"] - 1)
    assert found["aji"]["low"] <= found["aji"]["difference"] <= found["aji"]["high"] < 0
    assert found["classes"]["plasma"]["pq"]["difference"] < 0
    table = run(compare.app, *paths).stdout
    assert "B - A" in table
    assert "plasma PQ" in table


def test_runs_of_other_classes_are_compared_by_their_outlines(folders, tmp_path):
    own = run(evaluate.app, folders / "moved", "--truth", folders / "truth", "--json").stdout
    (tmp_path / "own.json").write_text(own)
    data = score_pairs(
        [
            Pair(s.inst_map, s.inst_map, s.classes > 0, s.classes > 0, name=s.record.name)
            for s in open_dataset(folders / "truth")
        ],
        taxonomy=Taxonomy.load("nucleus"),
    )
    (tmp_path / "outlines.json").write_text(json.dumps(to_json(data)))
    paths = tmp_path / "outlines.json", tmp_path / "own.json"
    found = json.loads(run(compare.app, *paths, "--json").stdout)
    assert found["aji"]["difference"] < 0
    assert "classes" not in found
    assert "mpq_plus" not in found
    table = run(compare.app, *paths).stdout
    assert "AJI" in table
    assert "mPQ" not in table
    assert found["remark"] in table.splitlines()


def test_json_of_one_run_can_be_compared(folders, tmp_path):
    arguments = folders / "moved", "--truth", folders / "truth", "--json"
    (tmp_path / "a.json").write_text(run(evaluate.app, *arguments).stdout)
    found = json.loads(run(compare.app, *[tmp_path / "a.json"] * 2, "--json").stdout)
    assert found["pq"]["difference"] == 0


@pytest.mark.slow
def test_shipped_model_on_real_images(tmp_path):
    if "lizard" not in shipped_models():
        pytest.skip("needs the shipped model, which this checkout lacks")
    truth = Path(__file__).parents[1] / "data" / "dsb2018"
    names = "5d75a63972ef,853a4c67900c"
    arguments = "--truth", truth, "--mpp", 0.25, "--records", names, "--workers", 1, "--json"
    result = run(evaluate.app, "--model", "lizard", *arguments, "--out", tmp_path)
    assert result.exit_code == 0
    data = json.loads(result.stdout)
    assert data["scored"]["images"] == 2
    assert list(data["classes"]) == ["nucleus"]
    assert data["dice"] > 0.6
    assert (tmp_path / "evaluation.html").stat().st_size > 50_000


def test_runs_of_other_images_are_named(folders, tmp_path, monkeypatch, capsys):
    for name, chosen in (("a", "a,b"), ("b", "a,c")):
        arguments = folders / "moved", "--truth", folders / "truth", "--json", "--records", chosen
        (tmp_path / name).write_text(run(evaluate.app, *arguments).stdout)
    monkeypatch.setattr(sys, "argv", ["karyoscope", "compare", *(str(tmp_path / n) for n in "ab")])
    with pytest.raises(SystemExit):
        main()
    assert "not scored on the same images" in capsys.readouterr().err
