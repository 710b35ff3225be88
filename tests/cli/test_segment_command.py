"""``karyoscope segment``: what it takes, writes and prints."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from karyoscope.formats import read_parquet
from karyoscope.inference import shipped_models
from karyoscope.pipeline import FORMATS

DEFAULT = {
    ".csv",
    ".geojson",
    ".labels.csv",
    ".labels.tif",
    ".overlay.jpg",
    ".parquet",
    ".summary.json",
}


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_one_slide(segment, picture, tmp_path):
    result = segment(picture, "--mpp", 0.499)
    assert result.code == 0
    assert names(tmp_path / "out") == {"tissue" + suffix for suffix in DEFAULT}
    summary = json.loads((tmp_path / "out" / "tissue.summary.json").read_text("utf-8"))
    assert summary["nuclei"] > 20
    assert "tissue.png: 0.0295 mm² of tissue in 0.0299 mm² analysed" in result.out
    for row in summary["classes"]:
        assert f"{row['name']}" in result.out
        assert f" {row['count']} " in result.out
    found, written = result.lines
    assert found.startswith(f"tissue.png: {summary['nuclei']} nuclei in ")
    assert found.endswith(f" s on {summary['run']['engine']}")
    folder, _, files = written.partition(": ")
    assert folder.strip() == str(tmp_path / "out")
    assert {"tissue" + name.removeprefix("tissue") for name in files.split(", ")} == {
        "tissue" + suffix for suffix in DEFAULT
    }


def test_json_is_all_there_is_on_stdout(segment, picture, tmp_path):
    result = segment(picture, tmp_path / "none.png", "--mpp", 0.499, "--json")
    assert result.code == 1
    (summary,) = json.loads(result.out)
    assert summary == json.loads((tmp_path / "out" / "tissue.summary.json").read_text("utf-8"))
    nothing = segment(tmp_path / "none.png", "--json")
    assert nothing.code == 1
    assert json.loads(nothing.out) == []


@pytest.mark.parametrize("formats", ["csv", "parquet, csv", ""])
def test_formats(segment, picture, tmp_path, formats):
    assert segment(picture, "--mpp", 0.5, "--format", formats).code == 0
    wanted = [name.strip() for name in formats.split(",") if name.strip()] + ["summary.json"]
    assert names(tmp_path / "out") == {f"tissue.{name}" for name in wanted}


def test_folders_and_globs(segment, tissue, tmp_path):
    folder = tmp_path / "slides"
    folder.mkdir()
    for name in ("a.png", "b.jpg", "c.bmp"):
        Image.fromarray(tissue).save(folder / name)
    (folder / "notes.txt").write_text("no slide")
    assert segment(folder, "--mpp", 0.5, "--format", "csv").code == 0
    assert {n[0] for n in names(tmp_path / "out")} == {"a", "b", "c"}
    found = segment(f"{folder}/*.png", "--mpp", 0.5, "--format", "csv", "--out", tmp_path / "glob")
    assert found.code == 0
    assert names(tmp_path / "glob") == {"a.csv", "a.summary.json"}


def test_results_in_the_folder_of_the_slides_are_not_slides(segment, picture, tmp_path):
    again = ["--mpp", 0.5, "--out", tmp_path, "--format", ",".join(FORMATS)]
    assert segment(tmp_path, *again).code == 0
    before = names(tmp_path)
    assert {"tissue.overlay.jpg", "tissue.labels.tif"} <= before
    result = segment(tmp_path, *again, "--overwrite")
    assert result.code == 0
    assert names(tmp_path) == before
    # Who names one gets it.
    named = segment(tmp_path / "tissue.overlay.jpg", *again[:2], "--out", tmp_path / "other")
    assert named.code == 0


def test_region_and_outlines(segment, picture, tmp_path):
    whole = tmp_path / "whole"
    segment(picture, "--mpp", 0.5, "--format", "parquet", "--out", whole)
    result = segment(picture, "--mpp", 0.5, "--format", "parquet", "--roi", "50,60,200,150")
    assert result.code == 0
    expected = read_parquet(whole / "tissue.parquet").crop(50, 60, 200, 150)
    found = read_parquet(tmp_path / "out" / "tissue.parquet")
    assert len(found) > 5
    assert set(zip(found.x, found.y, strict=True)) == set(zip(expected.x, expected.y, strict=True))
    corners = [[50, 60], [250, 60], [250, 210], [50, 210], [50, 60]]
    drawn = tmp_path / "drawn.geojson"
    drawn.write_text(json.dumps({"type": "Polygon", "coordinates": [corners]}))
    options = ["--format", "parquet", "--tissue", drawn, "--overwrite"]
    assert segment(picture, "--mpp", 0.5, *options).code == 0
    assert len(read_parquet(tmp_path / "out" / "tissue.parquet")) == len(found)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1)])
def test_odd_sizes(segment, tmp_path, shape):
    np.save(tmp_path / "thin.npy", np.full((*shape, 3), 255, np.uint8))
    assert segment(tmp_path / "thin.npy", "--mpp", 0.5).code == 0
    assert names(tmp_path / "out") == {"thin" + suffix for suffix in DEFAULT}


@pytest.mark.parametrize("side", [200, 3000])
def test_nothing_there_gives_valid_empty_files(segment, tmp_path, side):
    """No nucleus on the small image; no tissue at all, and so nothing to run, on the large."""
    Image.new("RGB", (side, side), (255, 255, 255)).save(tmp_path / "glass.png")
    result = segment(tmp_path / "glass.png", "--mpp", 0.5)
    assert result.code == 0
    assert names(tmp_path / "out") == {"glass" + suffix for suffix in DEFAULT}
    assert len(read_parquet(tmp_path / "out" / "glass.parquet")) == 0
    assert json.loads((tmp_path / "out" / "glass.geojson").read_text("utf-8"))["features"] == []
    assert json.loads((tmp_path / "out" / "glass.summary.json").read_text("utf-8"))["nuclei"] == 0


def test_warnings_are_one_line(segment, example_slide, tmp_path):
    roi = ("--roi", "900,900,200,200")
    result = segment(example_slide, "--mpp", 0.25, "--format", "csv", *roi)
    assert result.code == 0
    assert result.lines[0] == (
        f"karyoscope: {example_slide} states 0.499 µm/px, which is used; --mpp 0.25 is for files"
        " that state none, --override-mpp is for all"
    )
    # Then what was found, and the files.
    assert len(result.lines) == 3


def test_overwrite(segment, picture, tmp_path):
    options = [picture, "--mpp", 0.5, "--format", "csv"]
    assert segment(*options).code == 0
    table = tmp_path / "out" / "tissue.csv"
    first = table.read_text("utf-8")
    table.write_text("mine")
    result = segment(*options, "--tta", 2)
    assert result.code == 1
    assert "tissue.csv exists; use --overwrite to replace it" in result.err
    assert table.read_text("utf-8") == "mine"
    assert segment(*options, "--overwrite").code == 0
    assert table.read_text("utf-8") == first


def test_what_is_done_is_left(segment, picture, tmp_path):
    options = [picture, "--mpp", 0.5, "--format", "csv", "--json"]
    first = segment(*options)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    again = segment(*options)
    assert again.code == 0
    assert again.out == first.out
    assert again.lines == [
        "karyoscope: tissue.png: done before with the same settings; nothing to do"
    ]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before
    assert segment(*options, "--retry-failed").lines == again.lines


@pytest.mark.slow
def test_the_shipped_model_on_the_shipped_slide(run, example_slide, tmp_path):
    """The first command of the README; the number is that of its tissue, give or take."""
    if "lizard" not in shipped_models():
        pytest.skip("needs the shipped model, which is not in this checkout")
    options = ["--out", tmp_path, "--format", "parquet", "--device", "cpu", "--workers", 1]
    result = run("segment", example_slide, *options, "--json")
    assert result.code == 0
    (summary,) = json.loads(result.out)
    assert 1500 < summary["nuclei"] < 3500
    assert summary["warnings"] == summary["unread_regions"] == []
    assert summary["analysed_mm2"] == pytest.approx(2220 * 2967 * 0.499**2 * 1e-6, rel=1e-4)
    nuclei = read_parquet(tmp_path / "CMU-1-Small-Region.parquet")
    assert len(nuclei) == summary["nuclei"]
    assert 12 < np.median(nuclei.area_um2) < 60


SUBPROCESS = "import sys; from karyoscope.cli import main; main()"


def begun(tmp_path, bundle, example_slide):
    """A run of its own in which a file has been begun."""
    out = tmp_path / "out"
    arguments = ["segment", example_slide, "--out", out, "--model", bundle, "--workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "-c", SUBPROCESS, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background hands down an interrupt that is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and not (out.exists() and any(out.iterdir())):
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()
    return process, out


@pytest.mark.slow
def test_an_interrupted_run_leaves_no_result(tmp_path, tiny_bundle, example_slide):
    process, out = begun(tmp_path, tiny_bundle, example_slide)
    os.kill(process.pid, signal.SIGINT)
    printed, reported = process.communicate(timeout=120)
    assert process.returncode == 130
    assert printed == ""
    assert reported == (
        f"karyoscope: interrupted at {example_slide}; run the same command again to continue from"
        " there\n"
    )
    assert names(out) <= {".CMU-1-Small-Region.journal"}


@pytest.mark.slow
def test_a_killed_run_leaves_nothing_under_a_final_name(
    tmp_path, tiny_bundle, example_slide, segment
):
    process, out = begun(tmp_path, tiny_bundle, example_slide)
    process.kill()
    process.communicate()
    assert names(out)
    assert all(name.startswith(".") for name in names(out))
    assert segment(example_slide).code == 0
    assert names(out) == {"CMU-1-Small-Region" + suffix for suffix in DEFAULT}


def test_a_dry_run_names_what_a_format_needs_and_ends_as_the_run_would(
    segment, picture, tmp_path, monkeypatch
):
    monkeypatch.setattr("karyoscope.core.optional.installed", lambda *names: False)
    said = "karyoscope: format 'h5ad' needs h5py: run `pip install 'karyoscope[spatial]'`"
    for extra in (("--dry-run",), ()):
        result = segment(picture, "--mpp", 0.5, "--format", "csv,h5ad", *extra)
        assert result.code == 1
        assert said in result.lines
