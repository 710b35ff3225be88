"""Density is of the tissue: it does not depend on where the glass ends, or on what is beside it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyoscope.pipeline import SegmentOptions, area_of, segment_file, segment_slides
from karyoscope.pipeline.tiling import area as area_module
from karyoscope.slides import open_slide
from made_tissue import made_tissue, nuclei_in, on_glass

TISSUE = made_tissue(800, 1000)
MM2 = 0.8 * 1.0 * 0.25
SIDES = st.tuples(*[st.integers(0, 1500)] * 4)


def tissue_mm2(rgb: np.ndarray, **options) -> float:
    with open_slide(rgb, 0.5) as slide:
        area = area_of(slide, 0.5, **options)
    return area.tissue_of(area.on_grid) * 0.25e-6


@settings(max_examples=15, deadline=None)
@given(SIDES, st.sampled_from([243, 255, (236, 232, 240)]))
def test_glass_changes_no_density(sides, ground):
    """Law: moving, padding or cropping glass changes the tissue by less than 1 %."""
    found = tissue_mm2(on_glass(TISSUE, *sides, ground=ground, noise=ground != 255))
    assert found == pytest.approx(MM2, rel=0.01)


@settings(max_examples=10, deadline=None)
@given(SIDES, st.sampled_from([0, 3, 128, 190, 204, 225]))
def test_padding_is_not_tissue(sides, grey):
    """Law: nor does padding of black or any grey, around the glass."""
    glass = on_glass(TISSUE, 200, 150, 100, 250)
    assert tissue_mm2(on_glass(glass, *sides, ground=grey, noise=0)) == pytest.approx(MM2, rel=0.01)


@pytest.mark.parametrize(
    "ink", [(20, 130, 70), (0, 110, 90), (40, 70, 190), (30, 90, 170), (25, 25, 28), (205, 30, 40)]
)
def test_ink_is_not_tissue(ink):
    glass = on_glass(TISSUE, 200, 300, 400, 250)
    cv2.line(glass, (60, 120), (1500, 160), ink, 60)
    cv2.circle(glass, (1420, 700), 110, ink, 25)
    assert tissue_mm2(glass) == pytest.approx(MM2, rel=0.015)


@pytest.mark.parametrize("whole_px", [0, 10**9])
def test_a_region_and_outlines_hold_their_own_tissue(tmp_path, monkeypatch, whole_px):
    monkeypatch.setattr(area_module, "WHOLE_PX", whole_px)
    glass = on_glass(TISSUE, 300, 200, 300, 200)
    assert tissue_mm2(glass, roi=(800, 0, 5000, 5000)) == pytest.approx(MM2 / 2, rel=0.01)
    ring = [[300, 200], [1300, 200], [1300, 600], [300, 600], [300, 200]]
    drawn = tmp_path / "half.geojson"
    drawn.write_text(f'{{"type": "Polygon", "coordinates": [{ring}]}}')
    assert tissue_mm2(glass, tissue=drawn) == pytest.approx(MM2 / 2, rel=0.01)
    assert tissue_mm2(glass, tissue="none") == pytest.approx(MM2, rel=0.01)


def test_blocks_share_the_tissue_out(threshold_model, tmp_path, monkeypatch):
    """The parts of blocks add up to the whole, however they are cut; so does the density."""
    from PIL import Image

    for number, sides in enumerate([(0, 0, 0, 0), (700, 0, 0, 900), (50, 1400, 1333, 20)]):
        Image.fromarray(on_glass(TISSUE, *sides)).save(tmp_path / f"{number}.png")
    monkeypatch.setattr(area_module, "WHOLE_PX", 2_000_000)
    result = segment_slides(
        tmp_path, tmp_path / "out", threshold_model, SegmentOptions((), mpp=0.5)
    )
    assert not result.failed
    for summary in result.summaries:
        assert summary["nuclei"] == pytest.approx(nuclei_in(800, 1000), rel=0.01)
        assert summary["tissue_mm2"] == pytest.approx(MM2, rel=0.01)
        density = summary["nuclei"] / summary["tissue_mm2"]
        assert summary["density_per_mm2"] == pytest.approx(density, rel=1e-4)
        assert summary["analysed_mm2"] > summary["tissue_mm2"] * 0.99
    rows = (tmp_path / "out" / "cohort.csv").read_text(encoding="utf-8").splitlines()
    assert {"tissue_mm2", "analysed_mm2", "mpp", "mpp_source"} <= set(rows[0].split(","))


def test_every_warning_is_in_summary_report_and_cohort(threshold_model, tmp_path):
    import tifffile

    for name in "ab":
        tifffile.imwrite(
            tmp_path / f"{name}.tif", made_tissue(200, 300), photometric="rgb", metadata=None,
            tile=(64, 64), resolution=(20_000, 20_000), resolutionunit="CENTIMETER",
        )  # fmt: skip
    options = SegmentOptions(("report",), mpp=0.25)
    result = segment_slides(tmp_path, tmp_path / "out", threshold_model, options)
    words = "which is used; --mpp 0.25 is for files that state none"
    for summary in result.summaries:
        assert words in " ".join(summary["warnings"])
        assert (summary["mpp"], summary["mpp_source"]) == (0.5, "file")
    assert words in (tmp_path / "out" / "a.report.html").read_text(encoding="utf-8")
    assert (tmp_path / "out" / "cohort.csv").read_text(encoding="utf-8").count(words) == 2
    assert (tmp_path / "out" / "cohort.html").read_text(encoding="utf-8").count(words) == 2
    options = SegmentOptions((), override_mpp=0.25, overwrite=True)
    with pytest.warns(UserWarning, match="0.25 is given to override it"):
        summary = segment_file(tmp_path / "a.tif", tmp_path / "out", threshold_model, options)
    assert (summary["mpp"], summary["mpp_source"]) == (0.25, "override")
    assert "0.25 is given to override it" in summary["warnings"][0]


def test_ids_of_two_runs_never_collide(threshold_model, tmp_path):
    """Of a part of a slide the nuclei have other numbers: an id must not denote another one."""
    import json

    from PIL import Image

    Image.fromarray(made_tissue(300, 400)).save(tmp_path / "a.png")
    ids = []
    for run, roi in enumerate([None, None, (100, 100, 200, 150)]):
        options = SegmentOptions(("geojson",), mpp=0.5, roi=roi)
        segment_file(tmp_path / "a.png", tmp_path / str(run), threshold_model, options)
        data = json.loads((tmp_path / str(run) / "a.geojson").read_text(encoding="utf-8"))
        ids.append([feature["id"] for feature in data["features"]])
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == len(ids[0]) > 100
    assert len(ids[2]) > 20
    assert not set(ids[0]) & set(ids[2])
