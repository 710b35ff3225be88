"""Every page of docs/extending: its example works, by the commands that the page shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from extending_pages import FOLDER, PAGES, commands_of, files_of

TRAINS = {"loss", "target", "network", "postprocessing"}


def follow(page, run):
    """Write the files of a page, and run its commands; return what the last one printed."""
    if page in TRAINS:
        for package in ("torch", "lightning", "timm", "onnxscript"):
            pytest.importorskip(package, reason="training needs the [train] extra")
    for name, text in files_of(PAGES[page]).items():
        Path(name).write_text(text, encoding="utf-8")
    printed = []
    for words in commands_of(PAGES[page]):
        done = run(*words)
        assert done.code == 0, (words, done.out, done.err)
        printed.append(done.out)
    return printed


def summary(path="out/tissue.summary.json"):
    return json.loads(Path(path).read_text("utf-8"))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_one_example_and_its_commands(page):
    text = PAGES[page].read_text(encoding="utf-8")
    assert list(files_of(PAGES[page])), "no example"
    assert commands_of(PAGES[page]), "no command"
    assert "**In the package:**" in text
    assert f"]({page}.md)" in (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("page", "loss"), [("loss", "Tversky"), ("target", "BetweenNuclei")])
def test_losses_train_through_the_command(page, loss, place, run):
    follow(page, run)
    header = next(Path("run").rglob("metrics.csv")).read_text("utf-8").splitlines()[0]
    assert f"train/{loss}" in header
    # The run keeps the file, and names the copy.
    name = f"my_{page}.py"
    assert Path("run", name).read_text("utf-8") == Path(name).read_text("utf-8")
    assert f"name: {name}:{loss}" in Path("run/recipe.yaml").read_text("utf-8")


def test_a_network_is_trained_and_shipped(place, run):
    follow("network", run)
    assert summary()["model"]["name"] == "tiny"
    assert "my_network.py:Small" in Path("bundle/model.yaml").read_text("utf-8")


def test_an_own_encoder_is_that_of_a_network(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("timm")
    from karyoscope.core.plugins import named
    from karyoscope.networks import build_network

    file = tmp_path / "my_encoder.py"
    file.write_text(files_of(PAGES["network"])["my_encoder.py"], encoding="utf-8")
    network = build_network(named(f"{file}:PlainUNet"), n_classes=6).eval()
    with torch.no_grad():
        outputs = network(torch.zeros(1, 3, 64, 64))
    assert outputs["three_label"].shape == (1, 3, 64, 64)
    assert outputs["types"].shape == (1, 7, 32, 32)
    assert network.encoder.channels == [8, 8, 16, 32, 32]


def test_a_postprocessing_is_trained_shipped_and_tuned(place, run):
    printed = follow("postprocessing", run)
    assert json.loads(printed[-1])
    assert "my_postprocessing.py:BLOBS" in Path("tuned/model.yaml").read_text("utf-8")


def test_a_dataset_is_read(place, run):
    follow("dataset", run)
    assert len(list(Path("converted/images").iterdir())) == 4


def test_a_slide_reader_reads_what_ours_do_not(place, run):
    follow("slide-reader", run)
    run("segment", "tissue.png", "--mpp", 0.5, "--model", "model", "--device", "cpu", "--out", "o")
    assert summary()["nuclei"] == summary("o/tissue.summary.json")["nuclei"]


def test_a_metric_is_in_table_page_and_comparison(place, run):
    printed = follow("metric", run)
    assert "Surplus" in printed[0]
    assert "Surplus" in printed[-1]
    assert "Surplus" in Path("scored/evaluation.html").read_text(encoding="utf-8")


def test_a_protocol_is_in_table_and_page(place, run):
    printed = follow("protocol", run)
    assert "Dice of all pixels" in printed[0]
    assert "Dice of all pixels" in Path("scored/evaluation.html").read_text(encoding="utf-8")


def test_features_are_columns(place, run):
    follow("feature-group", run)
    for path in ("out/tissue.csv", "measured/tissue.csv"):
        header, first = Path(path).read_text("utf-8").splitlines()[:2]
        row = dict(zip(header.split(","), first.split(","), strict=True))
        assert float(row["box_width_um"]) > 0
    header, first = Path("nearest/tissue.csv").read_text("utf-8").splitlines()[:2]
    row = dict(zip(header.split(","), first.split(","), strict=True))
    assert -180 <= float(row["nearest_deg"]) <= 180


def test_a_stain_changes_what_the_model_is_shown(place, run):
    follow("stain", run)
    assert summary()["run"]["stain"]["name"] == "my_stain.py:WhiteBalance"


def test_a_format_is_written(place, run):
    from xml.etree import ElementTree

    follow("format", run)
    found = ElementTree.parse("out/tissue.points.xml").getroot()
    rows = Path("out/tissue.csv").read_text("utf-8").splitlines()[1:]
    assert len(found) == len(rows) > 0


def test_predictions_are_scored(place, run):
    printed = follow("prediction-format", run)
    assert "PQ" in printed[0]


def test_an_engine_runs_the_network(place, run):
    pytest.importorskip("onnxruntime", reason="the example is of ONNX Runtime")
    follow("engine", run)
    assert "one thread" in json.dumps(summary())
