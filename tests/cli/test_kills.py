"""The real command killed at some moments, and then given again."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-c", "from karyoscope.cli import main; main()", "segment"]


def start(slide: Path, out: Path, bundle: Path) -> subprocess.Popen:
    options = ["--out", out, "--model", bundle, "--device", "cpu", "--workers", 1]
    formats = ["--format", "geojson,parquet,csv,labels"]
    return subprocess.Popen(
        [*map(str, [*COMMAND, slide, *options, *formats])],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def blocks(out: Path) -> int:
    return len(list(out.glob(".*.journal/*.arrow")))


def kill_when(process: subprocess.Popen, reached) -> None:
    while not reached():
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    process.kill()
    process.communicate()


def content(out: Path) -> dict:
    """All files, hidden ones too; of the summary all but the seconds."""
    files = {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}
    (name,) = (name for name in files if name.endswith(".summary.json"))
    return files | {name: {**json.loads(files[name]), "seconds": None}}


@pytest.mark.slow
def test_killed_three_times(example_slide, tiny_bundle, tmp_path):
    """Before the first block is done, amid the blocks, and while the results are written."""
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert start(example_slide, whole, tiny_bundle).wait() == 0
    kill_when(start(example_slide, out, tiny_bundle), lambda: out.exists() and any(out.iterdir()))
    kill_when(start(example_slide, out, tiny_bundle), lambda: blocks(out) >= 2)
    kept = blocks(out)
    assert kept >= 2
    assert not [path for path in out.iterdir() if not path.name.startswith(".")]

    def labels_begun():
        names = out.glob(f".{example_slide.stem}.labels.tif.*.partial")
        return any(path.stat().st_size > 10_000 for path in names if path.is_file())

    kill_when(
        start(example_slide, out, tiny_bundle),
        labels_begun,
    )
    last = start(example_slide, out, tiny_bundle)
    _, reported = last.communicate()
    assert last.returncode == 0, reported
    assert "blocks of an earlier run taken over" in reported
    assert content(out) == content(whole)
