"""``karyoscope segment --cluster``, with a cluster that is this process: no Ray is needed."""

from __future__ import annotations

import sys
import threading
from typing import ClassVar

import pytest

from karyoscope.formats import read_parquet
from karyoscope.pipeline import LocalExecutor
from tiny_model import assert_same_nuclei


class Here(LocalExecutor):
    """Stands for :class:`karyoscope.cluster.Cluster`."""

    asked: ClassVar[list[tuple]] = []
    ran_in: ClassVar[set[str]] = set()
    slides_at_once = 2

    def __init__(self, address, device, threads, tta):
        super().__init__(device, threads, tta)
        self.asked.append((address, device, threads, tta))

    def locate(self, path):
        return path.absolute()

    def run_blocks(self, slide, *arguments):
        assert slide.path.is_absolute()
        self.ran_in.add(threading.current_thread().name)
        yield from super().run_blocks(slide, *arguments)


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr("karyoscope.cli.segment.Cluster", Here)
    monkeypatch.setattr(Here, "asked", [])
    monkeypatch.setattr(Here, "ran_in", set())
    return Here


def test_a_batch_is_what_it_is_on_one_machine(segment, here, picture, tmp_path, monkeypatch):
    other, damaged = tmp_path / "other.png", tmp_path / "damaged.png"
    other.write_bytes(picture.read_bytes())
    damaged.write_bytes(picture.read_bytes()[:500])
    (tmp_path / "folder").mkdir()
    same_name = tmp_path / "folder" / "other.png"
    same_name.write_bytes(picture.read_bytes())
    monkeypatch.chdir(tmp_path)
    common = ("--mpp", 0.499, "--format", "parquet")
    result = segment(
        "tissue.png", damaged, other, same_name, *common, "--cluster", "ray://head:10001"
    )
    assert here.asked == [("ray://head:10001", "cpu", 1, 1)]
    assert here.ran_in
    assert all(name.startswith("slide") for name in here.ran_in)
    assert result.code == 1
    assert "damaged.png" in result.err
    assert f"{other}: its results would have the names of {same_name}'s" in result.err
    assert "2 of 4 inputs failed" in result.err
    assert result.out.index("other.png") < result.out.index("tissue.png")
    segment(picture, *common, "--out", tmp_path / "alone")
    expected = read_parquet(tmp_path / "alone" / "tissue.parquet")
    assert len(expected) > 20
    for name in ("tissue", "other"):
        assert_same_nuclei(read_parquet(tmp_path / "out" / f"{name}.parquet"), expected)


def test_what_is_done_is_not_done_again(segment, here, picture):
    arguments = (picture, "--mpp", 0.499, "--format", "csv")
    assert segment(*arguments).code == 0
    result = segment(*arguments, "--cluster", "local")
    assert not here.ran_in
    assert result.code == 0
    assert "done before with the same settings" in result.err


def test_ray_that_is_not_installed_is_one_line(segment, picture, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    result = segment(picture, "--mpp", 0.499, "--cluster", "local")
    assert result.code == 1
    (line,) = result.lines
    assert line == "karyoscope: --cluster needs ray: run `pip install 'karyoscope[cluster]'`"


def test_a_run_on_this_machine_does_without_ray(segment, picture, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert segment(picture, "--mpp", 0.499, "--format", "csv").code == 0
