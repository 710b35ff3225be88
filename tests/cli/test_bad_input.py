"""Every kind of bad input: one clear line, which docs/bad_input.md quotes, and nothing written.

To write the page anew after a message has changed, in one process:

    KARYOSCOPE_WRITE_DOCS=1 pytest tests/cli/test_bad_input.py tests/cli/test_bad_runs.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from bad_files import FILES, assert_nothing_written, tiff_at_72_dpi
from PIL import Image

PAGE = Path(__file__).parents[2] / "docs" / "bad_input.md"
EXAMPLE = Path(__file__).parents[2] / "examples" / "CMU-1-Small-Region.svs"


SCALES = {
    "no scale": ("tissue.png", []),
    "scale of a printer": ("dpi.tif", []),
    "--mpp 0": ("tissue.png", ["--mpp", "0"]),
    "--mpp -0.5": ("tissue.png", ["--mpp", "-0.5"]),
    "--mpp 20": ("tissue.png", ["--mpp", "20"]),
    "--mpp nan": ("tissue.png", ["--mpp", "nan"]),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_no_slides(segment, quote, tmp_path, name):
    FILES[name](tmp_path / name)
    result = segment(tmp_path / name, "--mpp", 0.5)
    line = quote(result, "Files that are no slides", name.replace("_", " "))
    assert name in line
    assert_nothing_written(tmp_path / "out")


def test_a_glob_without_matches(segment, quote, tmp_path):
    line = quote(segment(f"{tmp_path}/*.svs"), "Files that are no slides", "a glob")
    assert "matches no slide" in line


@pytest.mark.parametrize("title", SCALES)
def test_unknown_and_absurd_scales(segment, quote, picture, tmp_path, title):
    name, options = SCALES[title]
    tiff_at_72_dpi(tmp_path / "dpi.tif")
    line = quote(segment(tmp_path / name, *options), "Pixel size", title)
    assert name in line
    assert "--mpp" in line
    assert_nothing_written(tmp_path / "out")


def test_regions_and_outlines(segment, quote, picture, tmp_path):
    section = "Regions"
    line = quote(segment(picture, "--mpp", 0.5, "--roi", "400,0,10,10"), section, "outside")
    assert "400,0,10,10 lies outside" in line
    drawn = tmp_path / "drawn.geojson"
    for title, content in (("no GeoJSON", "{"), ("no polygon", "[]"), ("no file", None)):
        drawn.write_text(content) if content else drawn.unlink()
        result = segment(picture, "--mpp", 0.5, "--tissue", drawn)
        assert "--tissue drawn.geojson" in quote(result, section, title)
    assert_nothing_written(tmp_path / "out")


def test_outlines_that_lie_beside_the_slide(segment, quote, picture, tmp_path):
    drawn = tmp_path / "drawn.geojson"
    drawn.write_text(json.dumps(box(500, 0, 600, 90)))
    for option in ("--tissue", "--roi"):
        result = segment(picture, "--mpp", 0.5, option, drawn)
        line = quote(result, "Regions", f"{option} outside")
        assert f"{option} drawn.geojson lies outside the slide" in line
    drawn.write_bytes(b"[" * 100_000)
    result = segment(picture, "--mpp", 0.5, "--tissue", drawn)
    quote(result, "Regions", "nested too deeply")
    assert_nothing_written(tmp_path / "out")


def test_annotations(segment, quote, picture, tmp_path):
    drawn = tmp_path / "drawn.geojson"
    given = picture, "--mpp", 0.5, "--annotations"
    drawn.write_text(json.dumps(box(500, 0, 600, 90)))
    quote(segment(*given, drawn), "Regions", "annotations of another slide")
    drawn.write_text("{")
    quote(segment(*given, drawn), "Regions", "annotations that are no GeoJSON")
    (tmp_path / "drawn").mkdir()
    line = quote(segment(*given, tmp_path / "drawn"), "Regions", "a folder without annotations")
    assert "--annotations drawn holds no GeoJSON file" in line
    assert_nothing_written(tmp_path / "out")


ROWS = {
    "a slide that is not there": "lost.svs,,,",
    "a scale that is none": "tissue.png,much,,",
    "annotations that are not there": "tissue.png,0.5,lost.geojson,",
    "a region that is none": "tissue.png,0.5,,1 2 3",
}


@pytest.mark.parametrize("title", ROWS)
def test_rows_of_sample_sheets(segment, quote, picture, tmp_path, title):
    sheet = tmp_path / "samples.csv"
    sheet.write_text(f"path,mpp,annotations,roi\n{ROWS[title]}\n")
    line = quote(segment(sheet), "Sample sheets", title)
    assert "samples.csv, row 2" in line
    assert_nothing_written(tmp_path / "out")


@pytest.mark.parametrize(
    ("title", "text"),
    [("no column of that name", "slide,mpp\na,1\n"), ("no rows", "path\n")],
)
def test_sample_sheets(segment, quote, tmp_path, title, text):
    sheet = tmp_path / "samples.csv"
    sheet.write_text(text)
    quote(segment(sheet), "Sample sheets", title)
    assert_nothing_written(tmp_path / "out")


def box(left, top, right, bottom) -> dict:
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    return {"type": "Polygon", "coordinates": [ring]}


def test_a_scene_that_is_not_there(segment, quote, picture, tmp_path):
    result = segment(picture, "--mpp", 0.5, "--scene", "2")
    quote(result, "Regions", "no such scene")
    assert_nothing_written(tmp_path / "out")


def two_scenes(path: Path, rgb: np.ndarray) -> None:
    with tifffile.TiffWriter(path) as file:
        for image in (rgb[:200, :150], rgb):
            file.write(image, photometric="rgb", metadata=None)


def turned(path: Path, rgb: np.ndarray) -> None:
    tifffile.imwrite(path, rgb, photometric="rgb", extratags=[(274, 3, 1, 6, True)])


def fourth(path: Path, rgb: np.ndarray, kind: str = "unspecified") -> None:
    rgba = np.dstack([rgb, np.zeros(rgb.shape[:2], np.uint8)])
    rgba[: len(rgb) // 5, :, 3] = 255
    tifffile.imwrite(path, rgba, photometric="rgb", extrasamples=[kind])


def fourteen_bits(path: Path, rgb: np.ndarray) -> None:
    tifffile.imwrite(path, rgb.astype(np.uint16) * 64, photometric="rgb")


WORDS = {
    "two_images.tif": two_scenes,
    "turned.tif": turned,
    "fourteen_bits.tif": fourteen_bits,
    "selection.tif": fourth,
    "transparent.tif": lambda path, rgb: fourth(path, rgb, "unassalpha"),
}


@pytest.mark.parametrize("name", WORDS)
def test_what_is_read_with_a_word(segment, quote_line, picture, tmp_path, name):
    """The result is written; the line says what was done with what the file leaves open."""
    WORDS[name](tmp_path / name, np.asarray(Image.open(picture).convert("RGB")))
    result = segment(tmp_path / name, "--mpp", 0.5, "--format", "csv")
    assert result.code == 0
    line = next(line for line in result.lines if line.startswith(f"karyoscope: {tmp_path / name}"))
    quote_line(line, "Warnings about images that are read", name.replace("_", " "))
    stem = name.removesuffix(".tif")
    summary = json.loads((tmp_path / "out" / f"{stem}.summary.json").read_text("utf-8"))
    assert summary["white_point"] == (16383 if name == "fourteen_bits.tif" else 255)


def test_an_outline_partly_beside_the_slide(segment, quote_line, picture, tmp_path):
    drawn = tmp_path / "drawn.geojson"
    drawn.write_text(json.dumps(box(300, 0, 500, 90)))
    result = segment(picture, "--mpp", 0.5, "--format", "csv", "--tissue", drawn)
    assert result.code == 0
    line = next(line for line in result.lines if "lies outside" in line)
    quote_line(line, "Warnings about images that are read", "an outline partly beside the slide")


def test_a_scene_names_its_outputs(segment, picture, tmp_path):
    two_scenes(tmp_path / "a.tif", np.asarray(Image.open(picture).convert("RGB")))
    result = segment(tmp_path / "a.tif", "--mpp", 0.5, "--format", "csv", "--scene", "1")
    assert result.code == 0
    assert not any("holds" in line for line in result.lines)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"a.scene-1.csv", "a.scene-1.summary.json"}
    summary = json.loads((tmp_path / "out" / "a.scene-1.summary.json").read_text("utf-8"))
    assert (summary["scene"], summary["size"]) == ("1", [150, 200])
