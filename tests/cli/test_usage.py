"""Options that make no sense stop a command at once, with exit code 2."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "bad_input.md"
EXAMPLE = Path(__file__).parents[2] / "examples" / "CMU-1-Small-Region.svs"


USAGE = [
    ["--tta", "3"],
    ["--tta", "many"],
    ["--device", "tpu"],
    ["--format", "csv,docx"],
    ["--workers", "-1"],
    ["--mpp", "half"],
    ["--roi", "1,2,3"],
    ["--roi", "0,0,0,5"],
    ["--roi", "a,b,c,d"],
    ["--sharpen"],
]


@pytest.mark.parametrize("options", USAGE, ids=" ".join)
def test_wrong_usage(segment, picture, tmp_path, options):
    result = segment(picture, *options)
    assert result.code == 2
    assert result.out == ""
    assert options[0] in result.err
    assert not (tmp_path / "out").exists()


def test_usage_without_arguments(run, tmp_path):
    assert run("segment").code == 2
    assert run("segment", "a.svs").code == 2
    assert run("segmnt", "a.svs").code == 2
    assert run("segment", "a.svs", "--out").code == 2


def test_outlines_of_one_slide_for_several(segment, picture, tmp_path):
    shutil.copy(picture, tmp_path / "other.png")
    result = segment(picture, tmp_path / "other.png", "--tissue", tmp_path / "drawn.geojson")
    assert result.code == 2
    assert "drawn on one slide; 2 are given" in " ".join(result.err.split())
