"""Spatial scores in the results of a slide, measured at once and later."""

import csv
import json

import numpy as np
import pytest
from drawn import annotation, square, write
from PIL import Image

from karyoscope.features import associations, immune
from karyoscope.features.immune import COLUMNS, MARGIN_COLUMNS
from karyoscope.pipeline import SegmentOptions, add_features, segment_file
from karyoscope.report import write_cohort

MPP = 0.5


@pytest.fixture(autouse=True, scope="module")
def quick_scores_of_known_classes(threshold_model):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(associations, "PERMUTATIONS", 19)
        patch.setattr(immune, "EPITHELIAL", {threshold_model.taxonomy.names[0]})
        patch.setattr(immune, "IMMUNE", {threshold_model.taxonomy.names[1]})
        yield


@pytest.fixture(scope="module")
def scored(tmp_path_factory, threshold_model, tissue):
    folder = tmp_path_factory.mktemp("scored")
    path = folder / "a.png"
    Image.fromarray(tissue).save(path)
    drawn = write(folder / "drawn.json", annotation(square(100, 100, 500, 500), "inner", "Tumor"))
    options = SegmentOptions(("parquet", "report"), mpp=MPP, spatial=True, annotations=drawn)
    return path, drawn, folder / "out", segment_file(path, folder / "out", threshold_model, options)


def table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_scores_are_in_every_result(scored):
    _, _, folder, summary = scored
    scores = summary["spatial"]["immune"]
    assert set(scores) == set(COLUMNS)
    assert scores["epithelium_mm2"] + scores["stroma_mm2"] == pytest.approx(
        summary["tissue_mm2"], rel=1e-4
    )
    pairs = table(folder / "a.spatial.csv")
    counts = {c["name"]: c["count"] for c in summary["classes"]}
    assert {(r["from"], r["to"]) for r in pairs} == {(a, b) for a in counts for b in counts}
    for row in pairs:
        assert int(row["nuclei_from"]) == counts[row["from"]]
        assert bool(row["nearest_um"]) == (
            counts[row["from"]] > 0 and counts[row["to"]] > (row["from"] == row["to"])
        )
    regions = {r["kind"]: r for r in table(folder / "a.regions.csv")}
    assert set(COLUMNS | MARGIN_COLUMNS) <= set(regions["annotation"])
    parts = [float(regions[kind]["stroma_mm2"]) for kind in ("annotation", "outside")]
    assert sum(parts) == pytest.approx(float(regions["all"]["stroma_mm2"]))
    assert float(regions["all"]["stroma_mm2"]) == pytest.approx(scores["stroma_mm2"])
    assert regions["outside"]["immune_inner_margin_per_mm2"] == ""
    page = (folder / "a.report.html").read_text(encoding="utf-8")
    assert "Spatial scores" in page
    assert f"{scores['stroma_mm2']:.3g} mm²" in page


def test_the_cohort_has_them(scored):
    folder = scored[2]
    written = {path.name: path for path in write_cohort(folder)}
    (row,) = table(written["cohort.csv"])
    assert float(row["stroma_mm2"]) == pytest.approx(scored[3]["spatial"]["immune"]["stroma_mm2"])
    pairs = table(written["cohort.spatial.csv"])
    own = table(folder / "a.spatial.csv")
    assert [r | {"slide": "a.png", "result": "a"} for r in own] == pairs


def test_later_they_are_the_same(scored, tmp_path):
    path, drawn, folder, summary = scored
    add_features(
        folder / "a.parquet", tmp_path, ("shape",), ("csv",), path, 50.0, False, drawn, True
    )
    later = json.loads((tmp_path / "a.summary.json").read_text(encoding="utf-8"))
    assert later["spatial"]["pairs"] == summary["spatial"]["pairs"]
    assert later["spatial"]["immune"] == pytest.approx(summary["spatial"]["immune"])
    for before, after in zip(summary["regions"], later["regions"], strict=True):
        assert after["immune"] == pytest.approx(before["immune"], rel=1e-4)


def test_without_them_nothing_is_said(tmp_path, threshold_model, tissue):
    path = tmp_path / "a.png"
    Image.fromarray(np.ascontiguousarray(tissue[:300, :300])).save(path)
    summary = segment_file(path, tmp_path, threshold_model, SegmentOptions(("report",), mpp=MPP))
    assert "spatial" not in summary
    assert not (tmp_path / "a.spatial.csv").exists()
    assert "Spatial scores" not in (tmp_path / "a.report.html").read_text(encoding="utf-8")
