"""The script that writes measured figures into the cards of shipped models."""

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from karyoscope.datasets.split import read_split
from karyoscope.inference import find_bundle
from karyoscope.inference.card_tables import tables_of
from karyoscope.inference.rewrite import rewrite_bundle

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tool(tmp_path, monkeypatch):
    path = ROOT / "scripts" / "measure_card.py"
    spec = importlib.util.spec_from_file_location("measure_card", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    shutil.copytree(find_bundle("lizard").path, tmp_path / "lizard")
    monkeypatch.setattr(module, "MODELS", tmp_path)
    return module


def call(tool, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["measure_card.py", *arguments])
    tool.main()


def test_texts_by_hand_stay_and_tables_are_made_again(tool, monkeypatch):
    folder = tool.MODELS / "lizard"
    page = folder / "README.md"
    text = page.read_text("utf-8")
    page.write_text(text.replace("## Use it for", "## Made for"), "utf-8")
    call(tool, monkeypatch, "lizard", "--parts")
    now = find_bundle(folder)
    assert now.read("README.md").decode() == text.replace("## Use it for", "## Made for")
    assert now.read("model.onnx") == find_bundle("lizard").read("model.onnx")


def test_what_is_measured_comes_into_card_and_page(tool, monkeypatch):
    entry = {"images": 1, "pq": {"score": 0.25, "low": None, "high": None}}
    monkeypatch.setitem(tool.PARTS, "scores", lambda *rest: {"scores": {"set": entry}})
    call(tool, monkeypatch, "lizard", "--parts", "scores")
    now = find_bundle(tool.MODELS / "lizard")
    assert now.card.scores == {"set": entry}
    assert tables_of(now.card)["scores"] in now.read("README.md").decode()
    assert "| set | 1 | 0.250 |" in now.read("README.md").decode()


def test_other_data_than_the_card_states_are_refused(tool):
    pytest.importorskip("torch", reason="training data are read with PyTorch")
    if not (ROOT.parent / "shared" / "data" / "kumar").is_dir():
        pytest.skip("../shared/data has no annotated images")
    bundle = find_bundle(tool.MODELS / "lizard")
    training = bundle.card.training
    other = {"training": training | {"data": training["data"][:-1]}}
    bundle = find_bundle(rewrite_bundle(bundle, bundle.path, other))
    with pytest.raises(SystemExit, match="reads other data than the card states"):
        tool.counted(bundle, ROOT.parent / "shared" / "data", 1)


def test_every_image_of_kumar_has_a_tissue(tool):
    parts = read_split(ROOT / "src/karyoscope/recipes/kumar.split.json").parts
    tissues = [tool.tissue_of("kumar", name) for names in parts.values() for name in names]
    assert {*tissues} == {"breast", "kidney", "lung", "prostate"}
    assert tool.tissue_of("monusac_mini", "A9K0_1") == "not stated"
