"""Folds and cohorts: every image is scored once, by a model that has not seen its source."""

import json

import numpy as np
import pytest
from own_images import own_images

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.evaluation import read_evaluation  # noqa: E402
from karyoscope.training.crossval import cross_validate  # noqa: E402
from karyoscope.training.source import RecipeSource  # noqa: E402

SMALL = ["training.batch_size=1", "training.tile=64", "training.precision=fp32"]


@pytest.fixture
def own(tmp_path):
    """Four real images of two cohorts."""
    root = tmp_path / "own"
    names = own_images(root, 4)
    rows = [f"{name},{name},{'ab'[k % 2]}" for k, name in enumerate(names)]
    (root / "records.csv").write_text("\n".join(["name,source,cohort", *rows]) + "\n")
    return root


def test_every_image_is_scored_once_by_a_model_without_it(own, tmp_path):
    out = tmp_path / "cv"
    source = RecipeSource(data=own, start="lizard", mpp=0.5)
    found = cross_validate(source, out, folds=2, changes=SMALL, steps=1, device="cpu")
    assert list(found.folds) == ["fold-1", "fold-2"]
    assert not found.problems
    scored = [row["name"] for fold in found.folds.values() for row in fold.image_scores()]
    assert sorted(scored) == sorted(p.stem for p in (own / "images").iterdir())
    for name, fold in found.folds.items():
        kept = json.loads((out / name / "run" / "trained_on.json").read_text("utf-8"))
        trained = set(kept["data"][0]["train"])
        assert trained
        assert trained.isdisjoint(row["name"] for row in fold.image_scores())
    summary = json.loads((out / "crossval.json").read_text("utf-8"))["scores"]["pq"]
    values = list(summary["folds"].values())
    assert summary["mean"] == pytest.approx(np.mean(values))
    assert summary["deviation"] == pytest.approx(np.std(values, ddof=1))
    assert summary["low"] <= summary["pooled"] <= summary["high"]
    assert (out / "crossval.md").read_text("utf-8") == found.table()
    # A second call trains nothing, and gives the same.
    before = {p: p.stat().st_mtime_ns for p in out.rglob("last.ckpt")}
    again = cross_validate(source, out, folds=2, changes=SMALL, steps=1, device="cpu")
    assert again.to_dict() == found.to_dict()
    assert {p: p.stat().st_mtime_ns for p in out.rglob("last.ckpt")} == before
    assert read_evaluation(out / "fold-1")["pq"] == found.folds["fold-1"]["pq"]
    # Folds of another number or seed have the same names, and other images.
    for other in ({"folds": 3}, {"folds": 2, "seed": 1}):
        with pytest.raises(KaryoscopeError, match=r"holds other folds, folds-2-0\.json"):
            cross_validate(source, out, **other, changes=SMALL, steps=1, device="cpu")


def test_what_a_folder_calls_a_test_set_is_in_no_fold(own, tmp_path):
    rows = (own / "records.csv").read_text("utf-8").splitlines()
    parts = ["split", "train", "validation", "train", "test"]
    lines = [f"{row},{part}" for row, part in zip(rows, parts, strict=True)]
    (own / "records.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path / "cv"
    source = RecipeSource(data=own, start="lizard", mpp=0.5)
    found = cross_validate(source, out, folds=3, changes=SMALL, steps=1, device="cpu")
    kept = rows[-1].split(",")[0]
    scored = [row["name"] for fold in found.folds.values() for row in fold.image_scores()]
    assert sorted([*scored, kept]) == sorted(p.stem for p in (own / "images").iterdir())
    for fold in found.folds:
        data = json.loads((out / fold / "run" / "trained_on.json").read_text("utf-8"))["data"]
        assert kept not in data[0]["train"]


@pytest.mark.slow
def test_what_a_folder_calls_a_test_set_is_in_no_cohort(own, tmp_path):
    rows = (own / "records.csv").read_text("utf-8").splitlines()
    # The last is its cohort alone.
    rows[-1] = rows[-1][:-1] + "c"
    parts = ["split", "train", "train", "train", "test"]
    lines = [f"{row},{part}" for row, part in zip(rows, parts, strict=True)]
    (own / "records.csv").write_text("\n".join(lines) + "\n")
    out, kept = tmp_path / "cv", rows[-1].split(",")[0]
    source = RecipeSource(data=own, start="lizard", mpp=0.5)
    said = []
    found = cross_validate(
        source, out, folds=None, changes=SMALL, steps=1, device="cpu", say=said.append
    )
    assert not found.problems
    assert list(found.folds) == ["a", "b"]
    assert "c: left out, it has test images alone" in said
    assert kept not in [row["name"] for fold in found.folds.values() for row in fold.image_scores()]
    for cohort in found.folds:
        data = json.loads((out / cohort / "run" / "trained_on.json").read_text("utf-8"))["data"]
        assert data[0]["train"]
        assert kept not in data[0]["train"]


@pytest.mark.slow
def test_a_cohort_is_left_out_in_turn(own, tmp_path):
    source = RecipeSource(data=own, start="lizard", mpp=0.5)
    found = cross_validate(
        source, tmp_path / "cv", folds=None, changes=SMALL, steps=1, device="cpu"
    )
    assert list(found.folds) == ["a", "b"]
    for cohort, fold in found.folds.items():
        assert {row["cohort"] for row in fold.image_scores()} == {cohort}


def test_too_few_sources_are_one_line(own, tmp_path):
    with pytest.raises(KaryoscopeError, match="source"):
        cross_validate(RecipeSource(data=own, start="lizard", mpp=0.5), tmp_path / "cv", folds=9)
