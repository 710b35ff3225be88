"""What is printed never ends a job; signals end it in good order."""

import io
import os
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from karyoscope.cli.shared import signals, streams

PROGRAM = [sys.executable, "-c", "from karyoscope.cli import main; main()"]


@pytest.fixture
def images(tmp_path, tissue):
    for name in ("a", "b"):
        Image.fromarray(tissue[:160, :160]).save(tmp_path / f"{name}.png")
    return tmp_path


def segment(images, tiny_bundle, *more, **how):
    command = [*PROGRAM, "segment", str(images), "--mpp", "0.5", "--format", "csv"]
    command += ["--model", str(tiny_bundle), "--out", str(images / "out"), *more]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **how)


def done(images):
    return sorted(path.name for path in (images / "out").glob("*.csv"))


BOTH = ["a.csv", "b.csv", "cohort.csv"]


def test_output_that_is_not_utf_8(images, tiny_bundle):
    coding = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    ended = segment(images, tiny_bundle, stdout=subprocess.PIPE, env=coding, encoding="cp1252")
    assert ended.returncode == 0, ended.stderr
    assert done(images) == BOTH
    assert "? blue" in ended.stdout


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_full_output_costs_no_slide(images, tiny_bundle):
    with open("/dev/full", "w") as full:
        ended = segment(images, tiny_bundle, stdout=full)
    assert ended.returncode == 1
    assert "standard output is incomplete: No space left on device" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert done(images) == BOTH


@pytest.mark.skipif(os.name == "nt", reason="closes a number")
def test_closed_output_costs_no_slide(images, tiny_bundle):
    ended = segment(images, tiny_bundle, preexec_fn=lambda: os.close(1))
    assert ended.returncode == 0, ended.stderr
    assert done(images) == BOTH


def test_a_reader_that_has_gone_costs_no_slide(images, tiny_bundle):
    reading, writing = os.pipe()
    os.close(reading)
    ended = segment(images, tiny_bundle, stdout=writing)
    os.close(writing)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert done(images) == BOTH


@pytest.mark.skipif(sys.platform != "linux", reason="names are UTF-8 there")
def test_names_that_are_not_utf_8_or_too_long(images, tiny_bundle, tissue):
    os.rename(os.fsencode(images / "a.png"), os.fsencode(images) + b"/l\xe4in.png")
    Image.fromarray(tissue[:160, :160]).save(images / ("n" * 250 + ".png"))
    ended = segment(images, tiny_bundle, "--format", "geojson,parquet,csv,labels,overlay,report")
    assert "Traceback" not in ended.stderr
    assert "File name too long" in ended.stderr
    assert "1 of 3 inputs failed" in ended.stderr
    assert ended.returncode == 1
    table = (images / "out" / "cohort.csv").read_text("utf-8")
    assert r"l\udce4in.png" in table
    assert "%E4in.report.html" in (images / "out" / "cohort.html").read_text("utf-8")


@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_end_a_run_in_good_order(example_slide, tiny_bundle, tmp_path, name):
    out, number = tmp_path / "out", getattr(signal, name)
    command = [*PROGRAM, "segment", str(example_slide), "--model", str(tiny_bundle)]
    process = subprocess.Popen([*command, "--out", str(out)], stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not list(out.glob(".*.lock")):
        time.sleep(0.01)
    process.send_signal(number)
    process.send_signal(number)
    _, reported = process.communicate()
    if process.returncode == 0:
        pytest.skip("the run had ended before the signal")
    assert process.returncode == 128 + number, reported
    assert "Traceback" not in reported
    assert [p.name for p in out.iterdir() if p.name.endswith((".partial", ".lock"))] == []


def test_an_early_refusal_ends_while_kernels_are_compiled(tmp_path, tiny_bundle):
    Image.new("RGB", (64, 64), (200, 200, 200)).save(tmp_path / "a.png")
    caches = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    command = [*PROGRAM, "segment", str(tmp_path / "a.png"), "--model", str(tiny_bundle)]
    ended = subprocess.run(
        [*command, "--out", str(tmp_path / "out")],
        env=caches, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 1, ended.stderr
    assert "does not state its pixel size" in ended.stderr
    assert "terminate called" not in ended.stderr


def test_the_second_signal_is_a_line_and_the_third_ends(monkeypatch):
    ends = []
    monkeypatch.setattr(signals, "received", [])
    monkeypatch.setattr(os, "_exit", ends.append)
    with pytest.raises(KeyboardInterrupt):
        signals.on_signal(signal.SIGTERM, None)
    signals.on_signal(signal.SIGTERM, None)
    assert ends == []
    signals.on_signal(signal.SIGINT, None)
    assert ends == [128 + signal.SIGTERM]
    assert signals.code_after_signals(1) == 128 + signal.SIGTERM
    assert signals.code_after_signals(0) == 0


def test_a_stream_gives_up_after_its_first_failure():
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    stream = streams.LenientStream(Full())
    stream.write("a")
    stream.write("b")
    stream.flush()
    assert stream.error.errno == 28
