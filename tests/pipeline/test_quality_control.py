"""Faults of a slide in its results, against an independent computation."""

import csv
import json

import cv2
import numpy as np
import pytest
import shapely
from drawn import annotation, square, write
from PIL import Image

from karyoscope.core.faults import KINDS
from karyoscope.pipeline import InvalidOptions, SegmentOptions, add_features, segment_file
from karyoscope.report import write_cohort
from karyoscope.slides import Quality, Tissue, open_slide

MPP = 0.5
FORMATS = ("csv", "parquet", "report", "quality")


@pytest.fixture(scope="module")
def slide(tmp_path_factory, tissue):
    """Real tissue; its left 450 columns are out of focus."""
    path = tmp_path_factory.mktemp("slides") / "a.png"
    rgb = tissue.copy()
    rgb[:, :450] = cv2.GaussianBlur(tissue, (0, 0), 6)[:, :450]
    Image.fromarray(rgb).save(path)
    return path


@pytest.fixture(scope="module")
def found(tmp_path_factory, threshold_model, slide):
    folder = tmp_path_factory.mktemp("all")
    options = SegmentOptions(FORMATS, mpp=MPP, features=("shape", "quality"))
    summary = segment_file(slide, folder, threshold_model, options)
    (line,) = summary["warnings"]
    assert "of the tissue has the fault 'blur'" in line
    return folder, summary


@pytest.fixture(scope="module")
def masks(slide):
    with open_slide(slide, MPP) as opened:
        tissue = Tissue.of(opened)
        return Quality.of(opened, tissue), tissue


def nuclei_in(folder):
    with (folder / "a.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def faults(summary):
    return {row["kind"]: row for row in summary["quality"]}


def test_flags_of_nuclei_are_those_of_their_cells(found, masks):
    rows, (quality, _) = nuclei_in(found[0]), masks
    assert {f"in_{kind}" for kind in KINDS} < set(rows[0])
    flagged = 0
    for row in rows:
        column, line = (int(float(row[axis])) // quality.cell for axis in "xy")
        for kind, mask in quality.masks.items():
            assert float(row[f"in_{kind}"]) == mask[line, column]
        flagged += float(row["in_blur"]) == 1
    assert flagged == faults(found[1])["blur"]["nuclei"]
    assert 0 < flagged < len(rows)


def test_shares_are_of_the_tissue(found, masks):
    quality, tissue = masks
    edge = quality.cell / tissue.scale
    row, column = np.nonzero(tissue.mask)
    for kind, mask in quality.masks.items():
        cells = mask[((row + 0.5) / edge).astype(int), ((column + 0.5) / edge).astype(int)]
        numbers = faults(found[1])[kind]
        assert numbers["share"] == pytest.approx(cells.mean(), abs=0.01)
        assert numbers["share"] == pytest.approx(numbers["tissue_mm2"] / found[1]["tissue_mm2"])
        assert not numbers["excluded"]


def test_what_is_excluded_is_in_no_number(found, masks, tmp_path, threshold_model, slide):
    drawn = write(tmp_path / "drawn.json", annotation(square(300, 100, 600, 600), "across"))
    options = SegmentOptions(
        FORMATS, mpp=MPP, features=("shape", "quality"), exclude=["blur"], annotations=drawn
    )
    summary = segment_file(slide, tmp_path / "out", threshold_model, options)
    before, blur = found[1], faults(found[1])["blur"]
    assert summary["nuclei"] == before["nuclei"] - blur["nuclei"]
    left = before["tissue_mm2"] - blur["tissue_mm2"]
    assert summary["tissue_mm2"] == pytest.approx(left, rel=1e-6)
    assert summary["density_per_mm2"] == pytest.approx(summary["nuclei"] / summary["tissue_mm2"])
    assert faults(summary)["blur"] == blur | {"excluded": True}
    assert not summary["warnings"]
    rows = nuclei_in(tmp_path / "out")
    assert len(rows) == summary["nuclei"]
    assert {float(row["in_blur"]) for row in rows} == {0.0}
    kept = [row for row in nuclei_in(found[0]) if float(row["in_blur"]) == 0]
    assert [row["x"] for row in rows] == [row["x"] for row in kept]
    across = next(row for row in summary["regions"] if row["region"] == "across")
    quality, tissue = masks
    y, x = ((places + 0.5) * tissue.scale for places in np.nonzero(tissue.mask))
    inside = (x > 300) & (x < 600) & (y > 100) & (y < 600)
    kept = quality.sound(x[inside], y[inside], ["blur"]).sum() * tissue.scale**2
    assert across["tissue_mm2"] == pytest.approx(kept * (MPP / 1000) ** 2)
    assert across["tissue_mm2"] < 0.7 * across["area_mm2"]
    assert summary["run_id"] != before["run_id"]
    path = tmp_path / "out" / "a.parquet"
    add_features(path, tmp_path / "later", ("shape",), ("csv",), slide, annotations=drawn)
    later = json.loads((tmp_path / "later" / "a.summary.json").read_text(encoding="utf-8"))
    for row, again in zip(summary["regions"], later["regions"], strict=True):
        assert again["tissue_mm2"] == pytest.approx(row["tissue_mm2"])
    page = (tmp_path / "out" / "a.report.html").read_text(encoding="utf-8")
    assert " (left out)</td>" in page
    assert "the ink of pens, and the faults that are left out." in page


def test_masks_open_as_annotations(found, masks):
    features = json.loads((found[0] / "a.quality.geojson").read_text("utf-8"))["features"]
    by_class = {f["properties"]["classification"]["name"]: f for f in features}
    quality = masks[0]
    assert set(by_class) == {name for name, mask in quality.masks.items() if mask.any()}
    outline = shapely.geometry.shape(by_class["blur"]["geometry"])
    assert outline.is_valid
    assert outline.bounds[2] < 600
    for row, column in np.argwhere(quality.masks["blur"])[::5]:
        centre = shapely.Point((column + 0.5) * quality.cell, (row + 0.5) * quality.cell)
        assert outline.covers(centre) or centre.x > 900 or centre.y > 760


def test_the_report_and_the_cohort_say_it(found):
    page = (found[0] / "a.report.html").read_text(encoding="utf-8")
    assert "Quality control" in page
    assert "the ink of pens." in page
    share = faults(found[1])["blur"]["share"]
    assert f"<td>{100 * share:.1f} %</td>" in page
    table = write_cohort(found[0])[0]
    with table.open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert float(row["blur_share"]) == pytest.approx(share)


def test_flags_can_be_added_later(found, tmp_path, slide):
    paths = add_features(found[0] / "a.parquet", tmp_path, ("quality",), ("csv",), slide)
    assert any(path.name == "a.csv" for path in paths)
    later = [row["in_blur"] for row in nuclei_in(tmp_path)]
    assert later == [row["in_blur"] for row in nuclei_in(found[0])]


def test_without_quality_control(tmp_path, threshold_model, slide):
    options = SegmentOptions(FORMATS, mpp=MPP, quality=False)
    summary = segment_file(slide, tmp_path, threshold_model, options)
    assert "quality" not in summary
    assert "Quality control" not in (tmp_path / "a.report.html").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "a.quality.geojson").read_text("utf-8"))["features"] == []
    with pytest.raises(InvalidOptions, match="need the quality control"):
        SegmentOptions(quality=False, exclude=["blur"])
    with pytest.raises(InvalidOptions, match="no kind of fault"):
        SegmentOptions(exclude=["dust"])
