"""``karyoscope segment --features``, ``features`` and ``cohort``."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from karyoscope.features import GROUPS, Feature, FeatureGroup, feature_columns
from karyoscope.formats import read_parquet


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_features_with_the_nuclei_and_later(run, segment, picture, tmp_path):
    all_groups = ",".join(GROUPS)
    given = ["--mpp", 0.499, "--format", "parquet"]
    assert segment(picture, *given, "--features", all_groups, "--radius", 30).code == 0
    at_once = read_parquet(tmp_path / "out" / "tissue.parquet")
    expected = [f.name for f in feature_columns(GROUPS, at_once.taxonomy, 30)]
    assert list(at_once.measurements) == expected
    assert segment(picture, *given, "--features", "", "--out", tmp_path / "bare").code == 0
    table = tmp_path / "bare" / "tissue.parquet"
    assert list(read_parquet(table).measurements) == []
    options = ["--features", all_groups, "--radius", 30, "--slide", picture]
    refused = run("features", table, *options)
    assert refused.code == 1
    assert "--overwrite" in refused.err
    result = run("features", table, *options, "--format", "parquet,csv", "--out", tmp_path / "new")
    assert result.code == 0
    assert names(tmp_path / "new") == {"tissue.parquet", "tissue.csv", "tissue.summary.json"}
    assert [line.rpartition("/")[2] for line in result.out.splitlines()] == [
        "tissue.parquet",
        "tissue.csv",
        "tissue.summary.json",
    ]
    assert list(read_parquet(tmp_path / "new" / "tissue.parquet").measurements) == expected
    assert run("features", table, "--overwrite").code == 0
    assert "nearest_um" in read_parquet(table).measurements


@pytest.mark.parametrize("needs_all", [False, True])
def test_a_group_that_the_package_does_not_know(
    run, segment, picture, tmp_path, monkeypatch, needs_all
):
    class Rank:
        """A made-up group: how many nuclei have come so far."""

        def __init__(self, context):
            self.radius, self.added = context.radius_um, 0

        def add(self, nuclei):
            self.added += len(nuclei)

        def measure(self, nuclei):
            return {"added_30um": np.full(len(nuclei), self.added + self.radius, np.float32)}

    columns = (Feature("added_50um", "", "nuclei that came before, and the radius"),)
    group = FeatureGroup("rank", "Rank", columns, Rank, needs_all=needs_all)
    monkeypatch.setitem(GROUPS, "rank", group)
    given = ["--mpp", 0.499, "--format", "csv,parquet", "--radius", 30]
    assert segment(picture, *given, "--features", "neighbours,rank,shape").code == 0
    table = tmp_path / "out" / "tissue.parquet"
    at_once = read_parquet(table)
    assert set(at_once.measurements["added_30um"]) == {30 + len(at_once) * needs_all}
    header = (tmp_path / "out" / "tissue.csv").read_text("utf-8").partition("\n")[0].split(",")
    asked = ["shape", "neighbours", "rank"]
    expected = [f.name for f in feature_columns(asked, at_once.taxonomy, 30)]
    assert header[-len(expected) :] == expected == list(at_once.measurements)
    later = run("features", table, "--features", "rank", "--radius", 30, "--out", tmp_path / "new")
    assert later.code == 0
    found = read_parquet(tmp_path / "new" / "tissue.parquet").measurements["added_30um"]
    assert set(found) == {30 + len(at_once) * needs_all}


def test_wrong_usage_is_named(run, segment, picture):
    assert segment(picture, "--features", "colour").code == 2
    assert segment(picture, "--radius", "-3").code == 2
    wrong = run("features", picture, "--features", "colour")
    assert wrong.code == 2
    assert "shape, stain" in " ".join(wrong.err.split())
    missing = run("features", picture.with_name("none.parquet"))
    assert missing.code == 1
    assert missing.lines == [f"karyoscope: no file {picture.with_name('none.parquet')}"]


@pytest.fixture
def batch(segment, tissue, tmp_path):
    """Two slides and a damaged one, segmented into ``out``."""
    folder = tmp_path / "slides"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(tissue).save(folder / name)
    (folder / "c.png").write_bytes((folder / "a.png").read_bytes()[:500])
    return segment(folder, "--mpp", 0.5, "--format", "report")


def test_several_slides_give_a_cohort(batch, run, segment, tissue, tmp_path):
    out = tmp_path / "out"
    assert batch.code == 1
    assert {"cohort.csv", "cohort.html"} < names(out)
    with (out / "cohort.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["status"] for r in rows] == ["ok", "ok", "failed"]
    assert "c.png" in rows[2]["error"]
    again = run("cohort", out)
    assert again.code == 1
    assert again.lines == [
        "karyoscope: b: its results are those of a, to the last digit; one may be a copy of the"
        " other",
        "karyoscope: 1 of 3 slides failed or are incomplete",
    ]
    assert "c.png" in again.out
    listed = run("cohort", out, "--json")
    assert listed.code == 1
    assert [r["status"] for r in json.loads(listed.out)] == ["ok", "ok", "failed"]
    Image.fromarray(tissue).save(tmp_path / "slides" / "c.png")
    assert segment(tmp_path / "slides" / "c.png", "--mpp", 0.5, "--format", "report").code == 0
    result = run("cohort", out, "--json")
    assert [r["status"] for r in json.loads(result.out)] == ["ok"] * 3
    shown = run("cohort", out)
    assert shown.code == 0
    assert str(out / "cohort.html") in "".join(shown.out.split())
    assert (out / "cohort.html").read_text("utf-8").count("<a href") == 3


def test_a_cohort_that_cannot_be_written_ends_in_code_1(segment, tissue, tmp_path):
    folder = tmp_path / "slides"
    folder.mkdir()
    (tmp_path / "out" / "cohort.csv").mkdir(parents=True)
    for name in ("a.png", "b.png"):
        Image.fromarray(tissue).save(folder / name)
    result = segment(folder, "--mpp", 0.5, "--format", "csv")
    assert result.code == 1
    assert any("cohort.csv" in line for line in result.lines)
    assert {"a.csv", "b.csv"} < names(tmp_path / "out")


def test_one_slide_gives_no_cohort(segment, picture, run, tmp_path):
    assert segment(picture, "--mpp", 0.5, "--format", "csv").code == 0
    assert names(tmp_path / "out") == {"tissue.csv", "tissue.summary.json"}
    nothing = run("cohort", tmp_path)
    assert nothing.code == 1
    assert "holds no results" in nothing.err
