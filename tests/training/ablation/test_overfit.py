"""Each of the five recipes learns eight real tiles by heart, and its bundle segments a slide.

One recipe runs with the slow tests; the others take about a minute each: ``pytest -m overfit``.
"""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lightning")
pytest.importorskip("timm")
pytest.importorskip("onnx")

from karyoscope.datasets import open_dataset
from karyoscope.datasets.split import read_split
from karyoscope.datasets.writing import write_png
from karyoscope.evaluation import ScoringOptions, evaluate_model
from karyoscope.inference import load_model
from karyoscope.pipeline import SegmentOptions, segment_file
from karyoscope.slides import open_slide
from karyoscope.training.ablation.grid import load_grid
from karyoscope.training.ablation.settings import AblationSettings, recipe_of
from karyoscope.training.bundle.export import export_bundle
from karyoscope.training.recipe.reading import load_recipe
from karyoscope.training.run import train

ROOT = Path(__file__).parents[3]
TILES = ROOT / "tests" / "data" / "nucls_tiles"
SMALL = load_grid("small")
CHEAPEST = "qu"


def marked(name: str):
    marks = [pytest.mark.slow] if name == CHEAPEST else [pytest.mark.slow, pytest.mark.overfit]
    return pytest.param(name, marks=marks)


def test_the_five_papers_each_have_a_small_form():
    assert [row.name for row in SMALL.rows] == ["hovernet", "qu", "smile", "bern", "mbzuai"]
    split = read_split(TILES / "split.json")
    assert len(split.parts["train"]) == 8
    assert split.counts["train"]["classes"]["class 1"] > 0


@pytest.mark.parametrize("name", [marked(row.name) for row in SMALL.rows])
def test_a_recipe_learns_eight_tiles_and_its_bundle_segments_a_slide(
    name, tmp_path, example_slide, monkeypatch
):
    monkeypatch.chdir(ROOT)
    row = next(row for row in SMALL.rows if row.name == name)
    recipe = load_recipe(*recipe_of(row, SMALL, AblationSettings(name, tmp_path)))
    train(recipe, tmp_path / "run", device="cpu")
    model = load_model(str(export_bundle(tmp_path / "run", tmp_path / "bundle")), "cpu", 1)

    rules = ScoringOptions("conic", read_split(TILES / "split.json").parts["train"], 0)
    outcome = evaluate_model(open_dataset(TILES), model, rules)
    assert outcome.images == 8
    scores = outcome.evaluation.scores
    print(name, json.dumps({k: round(float(scores[k]), 3) for k in ("pq", "dq", "sq", "mpq_plus")}))
    assert scores["pq"] > 0.7

    with open_slide(example_slide) as slide:
        crop = slide.read(900, 1500, 384, 384, slide.mpp)
        mpp = slide.mpp
    write_png(tmp_path / "crop.png", np.ascontiguousarray(crop))
    options = SegmentOptions(formats=["csv"], mpp=mpp)
    summary = segment_file(tmp_path / "crop.png", tmp_path / "out", model, options)
    assert summary["nuclei"] > 5
    assert (tmp_path / "out" / "crop.csv").is_file()
