"""The command line called in this process, as its entry point is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from karyoscope.cli import main

ROOT = Path(__file__).parents[2]


@dataclass
class Result:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Lines of stderr."""
        return self.err.splitlines()


Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch, capfd) -> Run:
    """``run("segment", path, ...)`` calls the command line."""

    def call(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["karyoscope", *map(str, arguments)])
        capfd.readouterr()
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Result(code, *capfd.readouterr())

    return call


@pytest.fixture
def segment(run, tiny_bundle, tmp_path) -> Run:
    """``segment(path, ...)`` with the tiny model, on the CPU, into ``out``."""

    def call(*arguments: object) -> Result:
        given = list(map(str, arguments))
        usual = {"--out": tmp_path / "out", "--model": tiny_bundle}
        usual |= {"--device": "cpu", "--workers": 1}
        missing = [x for option in usual.items() if option[0] not in given for x in option]
        return run("segment", *given, *missing)

    return call


@pytest.fixture(scope="session")
def tissue() -> np.ndarray:
    """Real tissue, (300, 400, 3) uint8 at 0.499 µm/px."""
    whole = tifffile.imread(ROOT / "examples" / "CMU-1-Small-Region.svs")
    return np.ascontiguousarray(whole[900:1200, 900:1300])


@pytest.fixture
def picture(tissue, tmp_path) -> Path:
    """Real tissue as a PNG file, which does not state its pixel size."""
    path = tmp_path / "tissue.png"
    Image.fromarray(tissue).save(path)
    return path
