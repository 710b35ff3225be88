"""``karyoscope formats``, and names of formats in any case."""

import json

from karyoscope.formats import WRITERS
from karyoscope.pipeline import FORMATS, SegmentOptions


def test_every_format_is_listed(run):
    result = run("formats")
    assert result.code == 0
    assert result.err == ""
    for name in WRITERS:
        assert name in result.out


def test_formats_as_data(run):
    rows = json.loads(run("formats", "--json").out)
    assert [row["name"] for row in rows] == list(WRITERS)
    assert {row["name"] for row in rows if row["default"]} == set(FORMATS)
    assert all(row["files"] and row["about"] and row["opens_in"] for row in rows)


def test_names_in_any_case(run, tmp_path, tiny_bundle):
    import cv2
    import numpy as np

    image = tmp_path / "a.png"
    cv2.imwrite(str(image), np.full((64, 64, 3), 240, np.uint8))
    out = tmp_path / "out"
    arguments = ("--mpp", 0.5, "--model", tiny_bundle, "--device", "CPU", "--features", "Shape")
    result = run("segment", image, *arguments, "--format", "CSV,GeoJSON", "--out", out)
    assert result.code == 0, result.err
    assert {path.name for path in out.iterdir()} == {"a.csv", "a.geojson", "a.summary.json"}


def test_names_in_any_case_and_as_one_text_from_python():
    options = SegmentOptions("CSV, Parquet", features="SHAPE")
    assert options.formats == ("csv", "parquet")
    assert options.features == ("shape",)
