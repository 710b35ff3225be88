"""A second process compiles what the formats need, and never gets in the way."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from karyoscope.pipeline import second_compiler
from karyoscope.pipeline.second_compiler import SecondCompiler


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(second_compiler, "available_cores", lambda: 2)


def test_it_is_waited_for(two_cores, monkeypatch, tmp_path):
    done = tmp_path / "done"
    monkeypatch.setattr(
        second_compiler, "PROGRAM", "import sys; open(sys.argv[1], 'w').write('all')"
    )
    compiler = SecondCompiler([str(done)])
    compiler.start()
    assert compiler.started
    compiler.wait()
    assert done.read_text("utf-8") == "all"


def test_one_that_does_not_end_is_ended(two_cores, monkeypatch):
    monkeypatch.setattr(second_compiler, "PROGRAM", "import time; time.sleep(600)")
    monkeypatch.setattr(second_compiler, "LONGEST_S", 0.2)
    compiler = SecondCompiler(["geojson"])
    compiler.start()
    start = time.monotonic()
    compiler.wait()
    assert time.monotonic() - start < 60
    assert compiler._process is not None
    assert compiler._process.returncode != 0


@pytest.mark.parametrize(
    ("formats", "cores", "kept"), [([], 2, True), (["geojson"], 1, True), (["geojson"], 2, False)]
)
def test_it_is_not_started_without_use(formats, cores, kept, monkeypatch):
    monkeypatch.setattr(second_compiler, "available_cores", lambda: cores)
    monkeypatch.setattr(second_compiler, "keeps_compiled", lambda: kept)
    compiler = SecondCompiler(formats)
    compiler.start()
    assert not compiler.started
    compiler.wait()


def test_a_program_that_cannot_be_started_is_no_error(two_cores, monkeypatch, tmp_path):
    monkeypatch.setattr(second_compiler.sys, "executable", str(tmp_path / "none"))
    compiler = SecondCompiler(["geojson"])
    compiler.start()
    assert not compiler.started


@pytest.mark.slow
def test_nothing_is_left_to_compile_for_the_formats(tmp_path):
    """What the second process compiled, this one takes from the cache for nuclei of any model."""
    program = """
import sys
from karyoscope.pipeline import FORMATS, second_compiler
from karyoscope.pipeline.prepare import nuclei_in_noise
from karyoscope.inference import find_bundle
from karyoscope.core.kernels import when_compiling
second_compiler.available_cores = lambda: 2
nuclei = nuclei_in_noise(find_bundle("lizard"))
compiler = second_compiler.SecondCompiler(FORMATS)
compiler.start()
compiler.wait()
assert compiler._process.returncode == 0
with when_compiling(lambda: print("compiled")):
    second_compiler.write_made_up(nuclei, FORMATS)
print("written")
"""
    run = [sys.executable, "-c", program]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["written"]
