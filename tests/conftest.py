"""Fixtures that every room's tests may use."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


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
