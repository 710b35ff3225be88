"""Runs that fail or lose a part: one clear line, which docs/bad_input.md quotes."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from bad_files import FILES, assert_nothing_written

from karyoscope.core.errors import KaryoscopeError

PAGE = Path(__file__).parents[2] / "docs" / "bad_input.md"
EXAMPLE = Path(__file__).parents[2] / "examples" / "CMU-1-Small-Region.svs"


def test_out_cannot_be_a_folder(segment, quote, picture, tmp_path):
    (tmp_path / "file").write_text("")
    for title, out in (("a file", "file"), ("below a file", "file/below")):
        line = quote(segment(picture, "--mpp", 0.5, "--out", tmp_path / out), "Output", title)
        assert "choose another folder" in line
    assert (tmp_path / "file").read_text("utf-8") == ""


def test_out_is_not_writable(segment, quote, picture, tmp_path):
    out = tmp_path / "locked"
    out.mkdir()
    out.chmod(0o555)
    try:
        (out / "probe").touch()
    except OSError:
        result = segment(picture, "--mpp", 0.5, "--out", out)
        assert result.code == 1
        assert "Permission denied; choose another folder" in result.lines[0]
        assert_nothing_written(out)
    else:
        pytest.skip("this user may write everywhere")
    finally:
        out.chmod(0o755)


def test_out_is_full(segment, quote, picture, tmp_path, monkeypatch):
    """The disk fills up while a format is completed, after others were."""

    def full(writer) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("karyoscope.formats.images.overlay.OverlayWriter._finish", full)
    line = quote(segment(picture, "--mpp", 0.5), "Output", "the disk is full")
    assert "No space left on device; free space or choose another folder" in line
    assert_nothing_written(tmp_path / "out")


@pytest.mark.parametrize("kilobytes", [4, 40, 200])
def test_a_small_disk(segment, tissue, tmp_path, kilobytes):
    """The same with a real file system, full at the start, in the middle and near the end."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("may not mount a small disk here")
    try:
        np.save(tmp_path / "large.npy", np.tile(tissue, (3, 3, 1)))
        result = segment(tmp_path / "large.npy", "--mpp", 0.5, "--out", disk / "out")
        assert result.code == 1
        assert "No space left on device" in result.lines[0]
        assert_nothing_written(disk / "out")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_output_exists(segment, quote, picture, tmp_path):
    assert segment(picture, "--mpp", 0.5, "--format", "csv").code == 0
    before = {p: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    line = quote(segment(picture, "--mpp", 0.5), "Output", "it exists")
    assert "use --overwrite" in line
    assert {p: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before


def spoil_card(bundle: Path, **changes) -> None:
    card = yaml.safe_load((bundle / "model.yaml").read_text("utf-8"))
    (bundle / "model.yaml").write_text(yaml.safe_dump(card | changes))


def zip_with_evil(bundle: Path) -> None:
    import zipfile

    with zipfile.ZipFile(bundle.with_suffix(".zip"), "w") as archive:
        archive.write(bundle / "model.yaml", "model.yaml")
        archive.writestr("../evil", b"gotcha")
    shutil.rmtree(bundle)
    bundle.with_suffix(".zip").rename(bundle)


BUNDLES = {
    "missing": shutil.rmtree,
    "no bundle": lambda b: (shutil.rmtree(b), b.write_bytes(b"\x80\x02")),
    "no card": lambda b: (b / "model.yaml").unlink(),
    "a damaged card": lambda b: (b / "model.yaml").write_bytes(b"format: {"),
    "an incomplete card": lambda b: (b / "model.yaml").write_bytes(b"format: 1"),
    "another version": lambda b: spoil_card(b, format=2),
    "no network": lambda b: (b / "model.onnx").unlink(),
    "a changed network": lambda b: (b / "model.onnx").write_bytes(b"other"),
    "a network that is none": lambda b: (
        (b / "model.onnx").write_bytes(b"other"),
        spoil_card(b, files={}),
    ),
    "a file outside": lambda b: spoil_card(b, files={"../evil": "00"}),
    "a zip that leaves its folder": zip_with_evil,
    "a map that the network lacks": lambda b: spoil_card(b, maps={"inside": 1, "hv": 1}),
    "a stride that is wrong": lambda b: spoil_card(b, maps={"inside": 1, "boundary": 1, "tp": 4}),
    "a map that the post-processing needs": lambda b: spoil_card(b, maps={"inside": 1}),
    "an unknown post-processing": lambda b: spoil_card(b, postprocessing={"name": "magic"}),
    "a wrong parameter": lambda b: spoil_card(
        b, postprocessing={"name": "three_label", "params": {"seed": 7}}
    ),
}


@pytest.mark.parametrize("title", BUNDLES)
def test_damaged_models(segment, quote, picture, tmp_path, tiny_bundle, title):
    bundle = shutil.copytree(tiny_bundle, tmp_path / "mine")
    BUNDLES[title](bundle)
    quote(segment(picture, "--mpp", 0.5, "--model", bundle), "Models", title)
    assert_nothing_written(tmp_path / "out")


def test_a_gpu_that_is_not_there(segment, quote, picture, tmp_path, monkeypatch):
    monkeypatch.setattr("karyoscope.inference.devices.has_nvidia_driver", lambda: False)
    result = segment(picture, "--mpp", 0.5, "--device", "cuda")
    line = quote(result, "Models", "no GPU")
    assert "--device cuda needs an NVIDIA GPU" in line
    assert "use --device cpu" in line
    assert_nothing_written(tmp_path / "out")


def test_an_engine_that_fails(segment, quote, picture, tmp_path, monkeypatch):
    from karyoscope.core.errors import KaryoscopeError

    def fail(engine, images):
        raise KaryoscopeError("OpenVINO failed on 416 x 320 pixels: out of memory")

    monkeypatch.setattr("karyoscope.inference.openvino_engine.OpenVinoEngine.run", fail)
    line = quote(segment(picture, "--mpp", 0.5), "Models", "the engine fails")
    assert "tissue.png, 0,0,400,300 at 0.5 µm/px: OpenVINO failed" in line
    assert_nothing_written(tmp_path / "out")


def test_in_a_batch_the_others_go_on(segment, quote_line, picture, tmp_path):
    shutil.copy(picture, tmp_path / "second.png")
    FILES["truncated.svs"](tmp_path / "truncated.svs")
    FILES["empty.svs"](tmp_path / "empty.svs")
    inputs = [picture, tmp_path / "empty.svs", tmp_path / "missing.svs"]
    inputs += [tmp_path / "truncated.svs", tmp_path / "second.png"]
    result = segment(*inputs, "--mpp", 0.5, "--format", "csv")
    assert result.code == 1
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        f"{stem}.{kind}" for stem in ("tissue", "second") for kind in ("csv", "summary.json")
    } | {"cohort.csv", "cohort.html"}
    reported = [line for line in result.lines if line.startswith("karyoscope: ")]
    assert len(reported) == 5
    quote_line(reported[-2], "Several slides", "second.png is a copy of tissue.png")
    quote_line(reported[-1], "Several slides", "three of five are bad")
    assert reported[-1] == "karyoscope: 3 of 5 inputs failed or are incomplete"
    for name in ("empty.svs", "missing.svs", "truncated.svs"):
        assert sum(name in line for line in reported) == 1


@pytest.mark.parametrize("other", ["elsewhere/tissue.png", "tissue.ome.tif"])
def test_two_slides_of_one_name(segment, quote_line, picture, tissue, tmp_path, other):
    second = tmp_path / other
    second.parent.mkdir(exist_ok=True)
    if second.suffix == ".png":
        shutil.copy(picture, second)
    else:
        tifffile.imwrite(second, tissue, photometric="rgb")
    result = segment(picture, second, "--mpp", 0.5, "--format", "csv", "--overwrite")
    assert result.code == 1
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "tissue.csv",
        "tissue.summary.json",
        "cohort.csv",
        "cohort.html",
    }
    (line,) = [line for line in result.lines if "its results would have the names of" in line]
    assert str(picture) in line
    assert str(second) in line
    quote_line(line, "Several slides", f"tissue.png and {other}")


def test_a_damaged_tile(segment, quote_line, tissue, tmp_path):
    path = tmp_path / "slide.tif"
    large = np.tile(tissue, (3, 3, 1))
    tifffile.imwrite(path, large, tile=(128, 128), compression="jpeg", photometric="rgb")
    with tifffile.TiffFile(path) as tif:
        first = tif.pages[0].dataoffsets[33]
    with path.open("r+b") as file:
        file.seek(first)
        file.write(bytes(200))
    result = segment(path, "--mpp", 0.5, "--format", "csv")
    assert result.code == 1
    assert (tmp_path / "out" / "slide.csv").exists()
    reported = [line for line in result.lines if line.startswith("karyoscope: ")]
    line = quote_line(reported[0], "Damaged slides", "one tile; the results are written")
    assert "slide.tif: no nuclei in 1 region that cannot be read (x,y,w,h 256,256," in line
    assert reported[1] == "karyoscope: 1 of 1 inputs failed or are incomplete"
    assert "slide.tif: 0.253 mm² of tissue in 0.27 mm² analysed" in result.out


def test_a_drive_that_fails(segment, quote, picture, tmp_path, monkeypatch):
    def fail(slide, *_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("karyoscope.slides.raster.RasterSlide._open", fail)
    line = quote(segment(picture, "--mpp", 0.5), "Damaged slides", "the drive fails")
    assert line == "karyoscope: tissue.png: Input/output error"
    assert_nothing_written(tmp_path / "out")


def test_a_defect_of_ours_costs_one_slide(segment, picture, tmp_path, monkeypatch):
    shutil.copy(picture, tmp_path / "bad.png")
    from karyoscope.pipeline.batch import segment as batch

    right = batch.execute

    def wrong(run, *rest):
        if run.name == "bad":
            raise IndexError("off by one")
        return right(run, *rest)

    monkeypatch.setattr(batch, "execute", wrong)
    result = segment(tmp_path / "bad.png", picture, "--mpp", 0.5, "--format", "csv")
    assert result.code == 1
    assert "IndexError: off by one" in result.err
    assert "bad.png: this should not happen, please report the lines above" in result.err
    assert (tmp_path / "out" / "tissue.csv").exists()


def test_an_interruption(segment, quote_line, picture, tmp_path, monkeypatch):
    shutil.copy(picture, tmp_path / "later.png")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("karyoscope.pipeline.stream.blocks.postprocess", interrupt)
    result = segment(picture, tmp_path / "later.png", "--mpp", 0.5)
    assert result.code == 130
    assert result.out == ""
    (line,) = result.lines
    assert "interrupted at" in quote_line(line, "Interruptions", "Ctrl-C")
    assert_nothing_written(tmp_path / "out")


def large_slide(path: Path, tissue: np.ndarray) -> Path:
    """A slide of several blocks, which therefore has a journal."""
    tifffile.imwrite(path, np.tile(tissue, (6, 1, 1)), tile=(256, 256), compression="zlib")
    return path


@pytest.mark.slow
def test_going_on(segment, quote_line, tissue, tmp_path, monkeypatch):
    """A full disk amid the blocks; then other settings; then the same again."""
    slide = large_slide(tmp_path / "large.tif", tissue)
    options = [slide, "--mpp", 0.5, "--format", "csv"]
    calls, sync = [], os.fsync

    def full(number):
        calls.append(number)
        # The header and a block are written: each file and its folder are synchronised.
        if len(calls) > 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(number)

    monkeypatch.setattr("karyoscope.core.files.os.fsync", full)
    result = segment(*options)
    assert result.code == 1
    section = "Interruptions"
    quote_line(result.lines[0], section, "the disk is full amid the work")
    quote_line(result.lines[1], section, "after any failure amid the work")
    assert names(tmp_path / "out") == {".large.journal"}
    monkeypatch.setattr("karyoscope.core.files.os.fsync", sync)
    result = segment(*options, "--tta", 2)
    assert result.code == 0
    # Beside it there may be a word on the shapes that an untrained network makes of this tissue.
    (line,) = (line for line in result.lines if "unfinished" in line)
    quote_line(line, section, "the next command has other settings")
    result = segment(*options, "--tta", 2)
    assert result.code == 0
    quote_line(result.lines[0], section, "the same command when all is done")


@pytest.mark.slow
def test_a_model_that_fails_at_one_place(segment, quote_line, tissue, tmp_path, monkeypatch):
    slide = large_slide(tmp_path / "large.tif", tissue)
    from karyoscope.inference import Model

    predict, failing = Model.predict, []

    def fails_at_one_place(model, rgb):
        if not failing or rgb.tobytes() in failing:
            failing.append(rgb.tobytes())
            raise KaryoscopeError("out of memory")
        return predict(model, rgb)

    monkeypatch.setattr(Model, "predict", fails_at_one_place)
    result = segment(slide, "--mpp", 0.5, "--format", "csv")
    assert result.code == 1
    section = "Damaged slides"
    quote_line(result.lines[0], section, "the model fails at one place; the results are written")
    again = segment(slide, "--mpp", 0.5, "--format", "csv")
    assert again.code == 1
    quote_line(again.lines[0], section, "the same command again")
    monkeypatch.setattr(Model, "predict", predict)
    assert segment(slide, "--mpp", 0.5, "--format", "csv", "--retry-failed").code == 0
    assert names(tmp_path / "out") == {"large.csv", "large.summary.json"}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
