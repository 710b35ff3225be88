"""A run that was stopped goes on, and the result is that of a run that was not."""

import json
import os
import warnings
from dataclasses import replace

import numpy as np
import pytest

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.process import machine
from karyoscope.inference import Engine, Model
from karyoscope.pipeline import Layout, Run, SegmentOptions, segment_file
from karyoscope.pipeline.runs.identity import run_settings
from karyoscope.slides import ArraySlide

FORMATS = ("geojson", "parquet", "csv", "labels")
OPTIONS = SegmentOptions(FORMATS, mpp=0.5)


class Stopped(BaseException):
    """Neither an error of ours nor a defect."""


class Counting(Engine):
    """Another engine whose runs are counted, and of which some fail."""

    def __init__(self, engine: Engine, failing=()) -> None:
        self.engine, self.device = engine, engine.device
        self.failing, self.runs = set(failing), 0

    def run(self, images):
        self.runs += 1
        if self.runs in self.failing:
            raise KaryoscopeError("no memory")
        return self.engine.run(images)


@pytest.fixture(autouse=True)
def small_windows(monkeypatch):
    """Many blocks on a small image."""

    def layout(model, area):
        grid = area.grid
        return Layout(grid.width, grid.height, 32, 96, largest=320, within=area.on_grid)

    monkeypatch.setattr("karyoscope.pipeline.to_files.layout_for", layout)


@pytest.fixture
def slide(tmp_path, tissue):
    path = tmp_path / "tissue.npy"
    np.save(path, tissue)
    return path


def counting(model: Model, failing=()) -> Model:
    return Model(model.bundle, Counting(model.engine, failing))


def run(slide, out, model, options=OPTIONS, watch=lambda progress: None):
    return segment_file(slide, out, model, options, watch=watch)


def stop_after(blocks):
    def watch(progress):
        if progress.blocks_done == blocks:
            raise Stopped

    return watch


def content(out):
    """Files, hidden ones too; of the summary all but what it took."""
    files = {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}
    summary = json.loads(files.pop("tissue.summary.json"))
    del summary["seconds"]
    return files, summary


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, threshold_model, tissue):
    """Result of a run that nothing stops, its windows and its blocks."""
    folder = tmp_path_factory.mktemp("undisturbed")
    np.save(folder / "tissue.npy", tissue)
    seen = []
    model = counting(threshold_model)
    with pytest.MonkeyPatch.context() as patch:
        small_windows.__wrapped__(patch)
        run(folder / "tissue.npy", folder / "out", model, watch=lambda p: seen.append(p.blocks))
    return content(folder / "out"), model.engine.runs, seen[0]


def assert_same(out, undisturbed):
    (files, summary), (expected, expected_summary) = content(out), undisturbed[0]
    assert files.keys() == expected.keys()
    for name in files:
        assert files[name] == expected[name], name
    for one in (summary, expected_summary):
        one["run"] = {k: v for k, v in one["run"].items() if k != "slide"}
        # That an earlier run left something is said in the summary too.
        one["warnings"] = [line for line in one["warnings"] if "unfinished run" not in line]
    assert summary == expected_summary


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 1.0])
def test_a_stopped_run_goes_on(threshold_model, slide, tmp_path, undisturbed, share):
    _, windows, blocks = undisturbed
    assert blocks > 15
    first = max(1, int(share * blocks))
    out = tmp_path / "out"
    with pytest.raises(Stopped):
        run(slide, out, threshold_model, watch=stop_after(first))
    assert [path.name for path in out.iterdir()] == [".tissue.journal"]
    kept = []
    model = counting(threshold_model)
    run(slide, out, model, watch=lambda p: kept.append((p.blocks_done, p.blocks_kept, p.blocks)))
    assert kept == [(i + 1, first, blocks) for i in range(blocks)]
    assert_same(out, undisturbed)
    # Of the windows that were run before, only those are run again that a block still needs.
    assert model.engine.runs <= windows - first + 9
    assert (model.engine.runs == 0) == (first == blocks)


def test_stopped_again_and_again(threshold_model, slide, tmp_path, undisturbed):
    out = tmp_path / "out"
    for blocks in (2, 7, 8, 20):
        with pytest.raises(Stopped):
            run(slide, out, threshold_model, watch=stop_after(blocks))
    run(slide, out, threshold_model)
    assert_same(out, undisturbed)


@pytest.mark.parametrize(
    ("change", "key"), [({"roi": (0, 0, 800, 700)}, "roi"), ({"tissue": "none"}, "tissue")]
)
def test_a_run_with_other_settings_starts_afresh(threshold_model, slide, tmp_path, change, key):
    out = tmp_path / "out"
    with pytest.raises(Stopped):
        run(slide, out, threshold_model, watch=stop_after(5))
    kept = []
    with pytest.warns(UserWarning, match=f"unfinished run had another '{key}'; starting afresh"):
        run(
            slide,
            out,
            threshold_model,
            SegmentOptions(("csv",), mpp=0.5, **change),
            lambda progress: kept.append(progress.blocks_kept),
        )
    assert set(kept) == {0}


def test_a_slide_that_was_changed_starts_afresh(threshold_model, slide, tmp_path, tissue):
    out = tmp_path / "out"
    with pytest.raises(Stopped):
        run(slide, out, threshold_model, watch=stop_after(5))
    np.save(slide, tissue[:, ::-1])
    with pytest.warns(UserWarning, match="another 'slide'"):
        run(slide, out, threshold_model)


def test_other_formats_go_on_with_the_same_blocks(threshold_model, slide, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(Stopped):
        run(slide, out, threshold_model, watch=stop_after(5))
    kept = []
    options = SegmentOptions(("csv",), mpp=0.5)
    run(slide, out, threshold_model, options, lambda p: kept.append(p.blocks_kept))
    assert set(kept) == {5}


def test_a_run_stopped_while_its_results_were_renamed(threshold_model, slide, tmp_path):
    out = tmp_path / "out"
    run(slide, out, threshold_model)
    expected = content(out)
    for name in ("tissue.summary.json", "tissue.labels.tif"):
        (out / name).rename(out / f".{name}.{machine()}-999999999-00000000.partial")
    with pytest.raises(KaryoscopeError, match="exists; use --overwrite"):
        run(slide, out, threshold_model, SegmentOptions(FORMATS, mpp=0.5, tissue="none"))
    run(slide, out, threshold_model)
    assert content(out) == expected


def test_what_is_done(threshold_model, slide, tmp_path):
    out = tmp_path / "out"
    assert Run(slide, out, threshold_model, OPTIONS).finished() is None
    summary = run(slide, out, threshold_model)
    assert Run(slide, out, threshold_model, OPTIONS).finished() == summary
    for other in (
        SegmentOptions(FORMATS, mpp=0.5, overwrite=True),
        SegmentOptions(FORMATS, mpp=0.5, roi=(0, 0, 9, 9)),
        SegmentOptions((*FORMATS, "hovernet"), mpp=0.5),
    ):
        assert Run(slide, out, threshold_model, other).finished() is None
    assert Run(slide, out, threshold_model, replace(OPTIONS, mpp=0.25)).finished() is None
    (out / "tissue.csv").unlink()
    assert Run(slide, out, threshold_model, OPTIONS).finished() is None


def test_a_window_that_fails_once_is_run_again(threshold_model, slide, tmp_path, undisturbed):
    model = counting(threshold_model, failing={1, 5, 12})
    summary = run(slide, tmp_path / "out", model)
    assert summary["warnings"] == []
    assert_same(tmp_path / "out", undisturbed)


def test_a_window_that_fails_twice_costs_its_blocks(threshold_model, slide, tmp_path, undisturbed):
    out = tmp_path / "out"
    # Runs ahead of the failing one are lost, so the second run of a window comes after those.
    model = Model(threshold_model.bundle, FailingAt(threshold_model.engine, window=7))
    summary = run(slide, out, model)
    assert 0 < len(summary["failed_regions"]) <= 9
    assert "where the model failed twice" in summary["warnings"][0]
    lost = sum(w * h for _, _, w, h in summary["failed_regions"])
    assert summary["analysed_mm2"] == pytest.approx((760 * 900 - lost) * 0.25e-6, abs=1e-6)
    assert Run(slide, out, threshold_model, OPTIONS).journal_folder.exists()
    assert Run(slide, out, threshold_model, OPTIONS).finished() == summary
    with pytest.raises(KaryoscopeError, match="exists"):
        run(slide, out, threshold_model)
    again = counting(threshold_model)
    run(slide, out, again, SegmentOptions(FORMATS, mpp=0.5, retry_failed=True))
    assert 0 < again.engine.runs <= 25
    assert_same(out, undisturbed)


class FailingAt(Engine):
    """Fails on one window, however often it is run."""

    def __init__(self, engine: Engine, window: int) -> None:
        self.engine, self.device = engine, engine.device
        self.window, self.seen = window, []

    def run(self, images):
        key = images.tobytes()
        if key not in self.seen:
            self.seen.append(key)
        if self.seen.index(key) == self.window:
            raise KaryoscopeError("no memory")
        return self.engine.run(images)


def test_an_engine_out_of_order_stops_the_run(threshold_model, slide, tmp_path, undisturbed):
    out = tmp_path / "out"
    model = counting(threshold_model, failing=range(6, 1000))
    with pytest.raises(KaryoscopeError, match=r"at 0\.5 µm/px: no memory"):
        run(slide, out, model)
    assert model.engine.runs < 20
    assert [path.name for path in out.iterdir()] == [".tissue.journal"]
    run(slide, out, threshold_model)
    assert_same(out, undisturbed)


def test_places_that_can_be_read_later(threshold_model, slide, tmp_path, undisturbed, monkeypatch):
    out, sound = tmp_path / "out", ArraySlide.read

    def damaged(self, x, y, width, height, mpp=None):
        if x < 60 < x + width and y < 60 < y + height:
            raise KaryoscopeError("the drive is busy")
        return sound(self, x, y, width, height, mpp)

    monkeypatch.setattr(ArraySlide, "read", damaged)
    summary = run(slide, out, threshold_model)
    assert summary["unread_regions"] == [[0, 0, 256, 256]]
    monkeypatch.undo()
    small_windows.__wrapped__(monkeypatch)
    again = counting(threshold_model)
    summary = run(slide, out, again, SegmentOptions(FORMATS, mpp=0.5, retry_failed=True))
    assert summary["unread_regions"] == []
    assert 0 < again.engine.runs < undisturbed[1]
    assert_same(out, undisturbed)


def test_a_run_to_replace_results_takes_nothing_from_their_journal(
    threshold_model, slide, tmp_path, undisturbed
):
    out = tmp_path / "out"
    run(slide, out, Model(threshold_model.bundle, FailingAt(threshold_model.engine, 7)))
    kept = []
    options = SegmentOptions(FORMATS, mpp=0.5, overwrite=True)
    run(slide, out, threshold_model, options, lambda p: kept.append(p.blocks_kept))
    assert set(kept) == {0}
    assert_same(out, undisturbed)


def test_a_full_disk_keeps_what_is_done(threshold_model, slide, tmp_path, undisturbed, monkeypatch):
    out, sync, calls = tmp_path / "out", os.fsync, []

    def full(number):
        calls.append(number)
        if len(calls) > 6:
            raise OSError(28, "No space left on device")
        sync(number)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KaryoscopeError, match="No space left on device; free space or"):
        run(slide, out, threshold_model)
    assert [path.name for path in out.iterdir()] == [".tissue.journal"]
    monkeypatch.setattr(os, "fsync", sync)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(slide, out, threshold_model)
    assert_same(out, undisturbed)


def test_a_small_image_has_no_journal(threshold_model, tmp_path, tissue):
    np.save(tmp_path / "small.npy", tissue[:200, :300])
    with pytest.raises(Stopped):
        run(tmp_path / "small.npy", tmp_path / "out", threshold_model, watch=stop_after(1))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_that_was_cut_is_not_done(threshold_model, slide, tmp_path):
    out = tmp_path / "out"
    run(slide, out, threshold_model)
    data = (out / "tissue.csv").read_bytes()
    for changed in (data[:-1], data[:-1] + b" "):
        (out / "tissue.csv").write_bytes(changed)
        with pytest.raises(KaryoscopeError, match=r"tissue\.csv is not as its run wrote it"):
            Run(slide, out, threshold_model, OPTIONS).finished()


def test_results_that_another_run_writes_are_left(threshold_model, slide, tmp_path):
    out, first = tmp_path / "out", Run(slide, tmp_path / "out", threshold_model, OPTIONS)
    with first.locked(), pytest.raises(KaryoscopeError, match="is writing these results"):
        run(slide, out, threshold_model)
    assert list(out.iterdir()) == []


def test_damaged_blocks_are_run_again(threshold_model, slide, tmp_path, undisturbed):
    out = tmp_path / "out"
    with pytest.raises(Stopped):
        run(slide, out, threshold_model, watch=stop_after(5))
    blocks = sorted((out / ".tissue.journal").glob("*.arrow"))
    for path, at in zip(blocks[:3], (0, 0.5, 0.99), strict=True):
        data = bytearray(path.read_bytes())
        data[int(at * len(data))] ^= 1
        path.write_bytes(data)
    kept = []
    with pytest.warns(UserWarning, match="3 blocks that an unfinished run left are damaged"):
        run(slide, out, threshold_model, watch=lambda p: kept.append(p.blocks_kept))
    assert set(kept) == {2}
    assert_same(out, undisturbed)


def test_blocks_of_other_windows_are_not_resumed_from(slide, threshold_model, monkeypatch):
    settings = run_settings(slide, threshold_model, OPTIONS)
    monkeypatch.setattr("karyoscope.pipeline.runs.identity.LONGEST_OF_LARGE", 1024)
    assert run_settings(slide, threshold_model, OPTIONS) != settings
