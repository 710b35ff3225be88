"""The command line called in this process, as its entry point is."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from command_line import Result, Run
from karyoscope.inference import shipped_models

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "bad_input.md"


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


@pytest.fixture(scope="session")
def page():
    """The lines that were quoted, by section; compared with, or written to, the page."""
    quoted: dict[str, list[tuple[str, str]]] = {}
    yield quoted
    if os.environ.get("KARYOSCOPE_WRITE_DOCS"):
        assert "PYTEST_XDIST_WORKER" not in os.environ, "each process has a part of the page"
        parts = [PAGE.read_text(encoding="utf-8").split("\n\n## ")[0]]
        for section, lines in quoted.items():
            parts += [f"## {section}"]
            parts += [f"{title}:\n\n```text\n{line}\n```" for title, line in lines]
        PAGE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


@pytest.fixture
def quote_line(page, tmp_path, tiny_bundle):
    """Compare a line with the page."""

    def check(line: str, section: str, title: str) -> str:
        line = line.replace(f"{tmp_path}/", "").replace(f"{tiny_bundle.parent}/", "")
        line = line.replace(f"one of {', '.join(shipped_models()) or 'none'}", "one of lizard")
        assert line.startswith("karyoscope: ")
        assert len(line) < 250
        page.setdefault(section, []).append((title, line))
        if not os.environ.get("KARYOSCOPE_WRITE_DOCS"):
            assert f"```text\n{line}\n```" in PAGE.read_text(encoding="utf-8")
        return line

    return check


@pytest.fixture
def quote(quote_line):
    """Compare the one line of a failed run with the page."""

    def check(result, section: str, title: str) -> str:
        assert result.code == 1
        assert result.out == ""
        line, *rest = result.lines
        assert rest in ([], ["karyoscope: 1 of 1 inputs failed or are incomplete"])
        return quote_line(line, section, title)

    return check
