"""Fixtures that the tests of every package may use."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]

# Helpers of tests lie beside them. pytest imports tests by path and puts no folder on sys.path, so
# two test files may have one name; helpers, which are imported by name, may not.
sys.path[:0] = [str(folder) for folder in (ROOT / "tests").iterdir() if folder.is_dir()]
sys.path.insert(0, str(ROOT / "tests"))

from command_line import run as run  # noqa: E402

# Processes of pytest-xdist share the cores; threads of torch would wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# No test is timed: the first example of a law may have to compile a loop.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with reference data beside the repository; the test is skipped where absent."""
    path = ROOT.parent / "shared"
    if not (path / "data").is_dir():
        pytest.skip("needs the annotated images in ../shared/data, which are not redistributable")
    return path


@pytest.fixture(scope="session")
def example_slide() -> Path:
    """A real Aperio slide (CC0): 2220 x 2967 px at 0.499 µm/px."""
    return ROOT / "examples" / "CMU-1-Small-Region.svs"


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory) -> Path:
    """A model bundle of a few kilobytes that needs no training."""
    pytest.importorskip("onnx", reason="writes the network of a model with onnx")
    from tiny_model import write_bundle

    return write_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(autouse=True)
def _messages_of_the_command_line(monkeypatch):
    """Messages are compared as the command line prints them; see tests/core/test_errors.py."""
    monkeypatch.setattr("karyoscope.core.errors.spoken_to", "command line")
