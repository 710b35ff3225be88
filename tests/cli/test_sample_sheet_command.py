"""``karyoscope segment`` on sample sheets and with annotations."""

import csv
import json

from PIL import Image

SQUARE = [[10, 10], [200, 10], [200, 200], [10, 200], [10, 10]]


def write_square(path):
    geometry = {"type": "Polygon", "coordinates": [SQUARE]}
    properties = {"name": "core", "classification": {"name": "Tumor"}}
    path.write_text(json.dumps({"type": "Feature", "geometry": geometry, "properties": properties}))
    return path


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_sheet_with_a_bad_row(segment, picture, tmp_path):
    write_square(tmp_path / "a.geojson")
    sheet = tmp_path / "samples.csv"
    sheet.write_text(
        f"path,mpp,annotations,group\n{picture.name},0.499,a.geojson,x\nlost.png,,,y\n"
    )
    result = segment(sheet, "--format", "csv")
    assert result.code == 1
    assert f"karyoscope: {sheet}, row 3: {tmp_path / 'lost.png'} does not exist" in result.lines
    assert result.lines[-1] == "karyoscope: 1 of 2 inputs failed or are incomplete"
    bad, row = sorted(rows_of(tmp_path / "out" / "cohort.csv"), key=lambda r: r["status"])
    assert bad["status"] == "failed"
    assert (row["slide"], row["group"], row["mpp"]) == (picture.name, "x", "0.499")
    regions = rows_of(tmp_path / "out" / "cohort.regions.csv")
    assert [r["region"] or r["class"] or r["kind"] for r in regions] == [
        *("core", "Tumor", "outside", "all")
    ]


def test_what_is_no_sheet_is_one_line(segment, tmp_path):
    sheet = tmp_path / "table.csv"
    sheet.write_text("name\na\n")
    result = segment(sheet)
    assert result.code == 1
    assert result.lines[0] == (
        f"karyoscope: {sheet} is no sample sheet: no column `path` among name"
    )


def test_annotations_of_a_file_and_of_a_folder(segment, picture, tmp_path):
    drawn = tmp_path / "drawn"
    drawn.mkdir()
    file = write_square(drawn / "tissue.geojson")
    formats = "--format", "csv,geojson,overlay,report"
    first = segment(picture, "--mpp", 0.499, "--annotations", file, *formats)
    assert first.code == 0
    second = segment(
        picture, "--mpp", 0.499, "--annotations", drawn, "--out", tmp_path / "two", *formats
    )
    assert second.code == 0
    one, two = (
        (f / "tissue.regions.csv").read_text("utf-8") for f in (tmp_path / "out", tmp_path / "two")
    )
    assert one == two
    again = segment(picture, "--mpp", 0.499, "--annotations", drawn, *formats)
    assert "done before with the same settings" in again.err
    (tmp_path / "empty").mkdir()
    empty = segment(picture, "--mpp", 0.499, "--annotations", tmp_path / "empty")
    assert empty.code == 1
    assert empty.lines == [f"karyoscope: --annotations {tmp_path / 'empty'} holds no GeoJSON file"]


def test_folders_in_a_folder(segment, tissue, tmp_path):
    deep = tmp_path / "slides" / "deep"
    deep.mkdir(parents=True)
    Image.fromarray(tissue).save(deep / "x.png")
    result = segment(tmp_path / "slides", "--mpp", 0.5, "--format", "csv")
    assert (result.code, result.lines[0]) == (
        1,
        f"karyoscope: {tmp_path / 'slides'} holds no slide, but deep in it does: add --recursive",
    )
    given = tmp_path / "slides", "--mpp", 0.5, "--format", "csv", "--recursive"
    assert segment(*given).code == 0
    assert (tmp_path / "out" / "x.csv").exists()


def test_a_report_of_a_region_that_was_drawn(segment, picture, tmp_path):
    file = write_square(tmp_path / "drawn.geojson")
    result = segment(picture, "--mpp", 0.499, "--roi", file, "--format", "report,overlay")
    assert result.code == 0
    page = (tmp_path / "out" / "tissue.report.html").read_text(encoding="utf-8")
    assert "190 × 190 pixels from 10, 10" in page
    with Image.open(tmp_path / "out" / "tissue.overlay.jpg") as overlay:
        assert overlay.height == 4 * 190
