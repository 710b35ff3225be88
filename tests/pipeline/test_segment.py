"""One image in memory, or to files."""

import importlib.util
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile

from karyoscope.core.errors import KaryoscopeError
from karyoscope.formats import read_context, read_parquet
from karyoscope.inference import Bundle, Engine, Model
from karyoscope.pipeline import SegmentOptions, segment, segment_file, warm_up
from karyoscope.slides import ArraySlide, open_slide
from tiny_model import assert_same_nuclei, write_card


def damaged_tiff(path, picture, tiles, garbage=b"\xff\x00\x13\x37"):
    """Write a tiled TIFF of which some tiles cannot be decoded."""
    tifffile.imwrite(
        path,
        picture,
        tile=(128, 128),
        compression="jpeg",
        photometric="rgb",
        resolution=(20000, 20000),
        resolutionunit="CENTIMETER",
    )
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[0]
        places = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    with path.open("r+b") as file:
        for tile in tiles if tiles is not None else range(len(places)):
            offset, count = places[tile]
            file.seek(offset)
            file.write((garbage * count)[:count])
    return path


@pytest.fixture
def saved(tmp_path, tissue):
    path = tmp_path / "tissue.npy"
    np.save(path, tissue)
    return path


def test_array_and_file_give_the_same(threshold_model, tissue, saved, tmp_path):
    nuclei = segment(tissue, 0.499, threshold_model)
    assert_same_nuclei(segment(saved, 0.499, threshold_model), nuclei)
    summary = segment_file(
        saved, tmp_path / "out", threshold_model, SegmentOptions(("parquet", "csv"), mpp=0.499)
    )
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "tissue.csv",
        "tissue.parquet",
        "tissue.summary.json",
    ]
    assert_same_nuclei(read_parquet(tmp_path / "out" / "tissue.parquet"), nuclei)
    assert summary == json.loads((tmp_path / "out" / "tissue.summary.json").read_text("utf-8"))
    assert summary["nuclei"] == len(nuclei)
    assert summary["analysed_mm2"] == pytest.approx(760 * 900 * 0.499**2 * 1e-6, abs=1e-6)
    assert summary["unread_regions"] == summary["warnings"] == []
    assert {"reading", "inference", "postprocessing", "export"} == set(summary["seconds"])


def test_the_area_of_a_region(threshold_model, saved, tmp_path):
    options = SegmentOptions(("parquet",), mpp=0.5, roi=(100, 200, 300, 250))
    summary = segment_file(saved, tmp_path / "out", threshold_model, options)
    assert summary["analysed_mm2"] == pytest.approx(300 * 250 * 0.25 * 1e-6, abs=1e-6)
    nuclei = read_parquet(tmp_path / "out" / "tissue.parquet")
    assert len(nuclei) == summary["nuclei"] > 50
    assert len(nuclei.crop(100, 200, 300, 250)) == len(nuclei)
    np.testing.assert_array_equal(nuclei.id, np.arange(1, len(nuclei) + 1))


def test_a_model_may_be_given_by_path(tissue, tiny_bundle):
    nuclei = segment(tissue[:256, :300], 0.5, tiny_bundle, device="cpu", threads=1)
    assert len(nuclei) > 10
    with pytest.raises(KaryoscopeError, match="no model 'nothing'"):
        segment(tissue, 0.5, "nothing")


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (2, 3)])
def test_odd_sizes(threshold_model, shape, tmp_path):
    image = np.full((*shape, 3), 255, np.uint8)
    assert len(segment(image, 0.5, threshold_model)) == 0
    np.save(tmp_path / "a.npy", image)
    summary = segment_file(tmp_path / "a.npy", tmp_path, threshold_model, SegmentOptions(mpp=0.5))
    assert summary["nuclei"] == 0


def test_a_damaged_tile_costs_what_is_in_it(threshold_model, tissue, tmp_path):
    sound = damaged_tiff(tmp_path / "sound.tif", tissue, [])
    path = damaged_tiff(tmp_path / "slide.tif", tissue, [18])
    expected = segment(sound, None, threshold_model)
    summary = segment_file(path, tmp_path / "out", threshold_model)
    (region,) = summary["unread_regions"]
    assert region == [256, 256, 256, 256]
    assert "1 region that cannot be read (x,y,w,h 256,256,256,256)" in summary["warnings"][0]
    assert "slide.tif" in summary["warnings"][0]
    found = read_parquet(tmp_path / "out" / "slide.parquet")
    # What is further from the hole than the network sees is what it would have been.
    far = [n.take(np.maximum(abs(n.x - 384), abs(n.y - 384)) > 200) for n in (found, expected)]
    assert len(far[0]) > 300
    assert_same_nuclei(*far)
    assert len(found.crop(260, 260, 248, 248)) < 5
    with pytest.raises(KaryoscopeError, match="damaged at x 256, y 256"):
        segment(path, None, threshold_model)


def test_a_slide_of_which_nothing_can_be_read_fails(threshold_model, saved, tmp_path, monkeypatch):
    def fail(*window):
        raise KaryoscopeError("the disk is gone")

    monkeypatch.setattr(ArraySlide, "read", fail)
    with pytest.raises(KaryoscopeError, match="the disk is gone"):
        segment_file(saved, tmp_path / "out", threshold_model, SegmentOptions(mpp=0.5))
    assert list((tmp_path / "out").iterdir()) == []


class Interrupting(Engine):
    device = "none"

    def __init__(self, error):
        self.error = error

    def run(self, images):
        raise self.error


@pytest.mark.parametrize("error", [KaryoscopeError("no memory"), KeyboardInterrupt(), ValueError()])
def test_whatever_stops_a_run_nothing_is_half_written(threshold_model, saved, tmp_path, error):
    out = tmp_path / "out"
    out.mkdir()
    (out / "tissue.csv").write_text("from before")
    model = Model(threshold_model.bundle, Interrupting(error))
    with pytest.raises(type(error)):
        segment_file(saved, out, model, SegmentOptions(mpp=0.5, overwrite=True))
    assert [p.name for p in out.iterdir()] == ["tissue.csv"]
    assert (out / "tissue.csv").read_text("utf-8") == "from before"
    # Other tests may keep threads of their own; ours are named after their stage.
    ours = [t.name for t in threading.enumerate() if t.name.startswith(("read", "infer"))]
    assert ours == []


def test_watching(threshold_model, saved, tmp_path):
    seen = []
    options = SegmentOptions(("csv",), mpp=0.5)
    segment_file(
        saved,
        tmp_path,
        threshold_model,
        options,
        watch=lambda progress: seen.append((progress.blocks_done, progress.blocks)),
    )
    assert seen == [(1, 1)]


def test_the_slide_is_named_by_the_caller_of_overwrite(threshold_model, saved, tmp_path):
    segment_file(saved, tmp_path, threshold_model, SegmentOptions(("csv",), mpp=0.5))
    with pytest.raises(KaryoscopeError, match=r"tissue\.csv exists; use --overwrite"):
        segment_file(saved, tmp_path, threshold_model, SegmentOptions(("csv",), mpp=0.5))


WARM = """
import gc, sys
from numba.core.dispatcher import Dispatcher
import numpy as np
from karyoscope.inference import load_model
from karyoscope.pipeline import segment, warm_up

def compiled():
    ours = [d for d in gc.get_objects() if isinstance(d, Dispatcher)]
    return sum(len(d.signatures) for d in ours if d.__module__.startswith("karyoscope.postproc"))

model = load_model(sys.argv[1], "cpu", 1)
assert compiled() == 0
warm_up(model.bundle).join()
before = compiled()
image = np.full((200, 300, 3), 240, np.uint8)
image[50:70, 40:60] = image[100:120, 200:230] = (90, 60, 140)
assert len(segment(image, 0.5, model)) == 2
print(before, compiled())
"""


@pytest.mark.slow
def test_nothing_is_left_to_compile_after_the_warm_up(tiny_bundle):
    run = [sys.executable, "-c", WARM, str(tiny_bundle)]
    done = subprocess.run(run, capture_output=True, text=True, check=True, env=os.environ)
    before, after = map(int, done.stdout.split())
    assert before == after > 10


def test_the_warm_up_lays_a_report_out(tiny_bundle, monkeypatch):
    pages = []
    monkeypatch.setattr(
        "karyoscope.pipeline.second_compiler.slide_page", lambda f: pages.append(f) or ""
    )
    warm_up(Bundle(tiny_bundle), ("geojson", "report")).join()
    assert [figures.summary["slide"] for figures in pages] == ["noise"]


def test_a_warm_up_that_fails_says_nothing(tmp_path, capfd):

    bad = {"name": "nothing", "params": {}}
    bundle = Bundle(write_card(tmp_path / "bundle", postprocessing=bad))
    warm_up(bundle).join()
    assert capfd.readouterr() == ("", "")


def test_slides_are_closed(threshold_model, tissue, monkeypatch):
    slide = open_slide(tissue, mpp=0.5)
    monkeypatch.setattr("karyoscope.pipeline.in_memory.open_slide", lambda *_, **__: slide)
    segment(tissue, 0.5, threshold_model)
    with pytest.raises(AssertionError, match="closed"):
        slide.read(0, 0, 1, 1)


def test_positions_in_qupath_count_from_the_scanned_part(threshold_model, tissue, tmp_path):
    """QuPath shows the part of an MRXS slide that OpenSlide calls its bounds, from (0, 0) on."""
    spec = importlib.util.spec_from_file_location(
        "slide_files", Path(__file__).parents[1] / "slides" / "slide_files.py"
    )
    files = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(files)
    path = files.write_mrxs(tmp_path / "a.mrxs", tissue[:331, :467])
    with open_slide(path) as slide:
        assert slide.bounds[:2] == (512, 256)
    options = SegmentOptions(("geojson", "parquet", "csv"), override_mpp=0.5)
    summary = segment_file(path, tmp_path / "out", threshold_model, options)
    nuclei = read_parquet(tmp_path / "out" / "a.parquet")
    assert len(nuclei) == summary["nuclei"] > 20
    assert (nuclei.x > 512).all()
    assert (nuclei.y > 256).all()
    data = json.loads((tmp_path / "out" / "a.geojson").read_text("utf-8"))
    assert data["metadata"]["scanned_from"] == summary["scanned_from"] == [512, 256]
    assert read_context(tmp_path / "out" / "a.parquet").scanned_from == (512, 256)
    rings = [np.array(f["geometry"]["coordinates"][0][:-1]) for f in data["features"]]
    for row, ring in enumerate(rings):
        there = nuclei.outline(row).mean(0) - np.array([512, 256])
        np.testing.assert_allclose(ring.mean(0), there, atol=0.02)
    # There the picture is the tissue alone.
    alone = segment(tissue[:331, :467], 0.5, threshold_model)
    assert len(alone) == pytest.approx(len(nuclei), rel=0.05)
