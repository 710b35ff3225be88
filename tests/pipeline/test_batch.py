"""Many slides by one call: what fails is in the result, and every warning is with its slide."""

from __future__ import annotations

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
import pytest

from karyoscope.core.errors import KaryoscopeError
from karyoscope.inference import Model
from karyoscope.pipeline import (
    BatchListener,
    InvalidOptions,
    LocalExecutor,
    Progress,
    Run,
    SegmentOptions,
    area_of,
    layout_for,
    run_blocks,
    segment_file,
    segment_slides,
)
from karyoscope.pipeline.progress import Stopped
from karyoscope.pipeline.slide_warnings import SlideWarnings
from karyoscope.pipeline.stream.parallel import submit
from karyoscope.slides import Tissue, open_slide

OPTIONS = SegmentOptions(("csv",), mpp=0.5)


class Notes(BatchListener):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple] = []

    def problem(self, line):
        self.heard.append(("problem", line))

    def begin(self, path):
        self.heard.append(("begin", path.name))

    def warning(self, path, line):
        self.heard.append(("warning", path.name, line))

    def finished(self, slide):
        self.heard.append(("finished", slide.path.name, slide.status))


class Several(LocalExecutor):
    """Runs two slides at once, here."""

    slides_at_once = 2


@pytest.fixture
def folder(tmp_path, tissue):
    folder = tmp_path / "slides"
    folder.mkdir()
    for name in "ac":
        np.save(folder / f"{name}.npy", tissue[:200, :300])
    (folder / "b.npy").write_bytes(b"\x93NUMPY")
    return folder


@pytest.mark.parametrize("executor", [LocalExecutor(), Several()])
def test_what_fails_is_reported_and_the_others_go_on(threshold_model, folder, tmp_path, executor):
    notes, out = Notes(), tmp_path / "out"
    paths = [folder, tmp_path / "none.npy"]
    result = segment_slides(paths, out, threshold_model, OPTIONS, executor, notes)
    assert [(s.path.name, s.status) for s in result.slides] == [
        ("a.npy", "done"),
        ("b.npy", "failed"),
        ("c.npy", "done"),
    ]
    assert result.problems == [f"{tmp_path / 'none.npy'} does not exist"]
    assert (result.failed, result.inputs) == (2, 4)
    assert "b.npy" in result.slides[1].error
    assert result.slides[1].summary is None
    assert [s["nuclei"] for s in result.summaries] == [result.slides[0].summary["nuclei"]] * 2
    assert {path.name for path in result.cohort} == {"cohort.csv", "cohort.html"}
    assert notes.heard[0] == ("problem", result.problems[0])
    # The image of c.npy is that of a.npy.
    kind, line = notes.heard.pop()
    assert (kind, line.partition(",")[0]) == ("problem", "c: its results are those of a")
    assert notes.heard[1:] == [
        pair
        for name, status in (("a.npy", "done"), ("b.npy", "failed"), ("c.npy", "done"))
        for pair in (("begin", name), ("finished", name, status))
    ]
    again = segment_slides(folder, out, threshold_model, OPTIONS, executor)
    assert [slide.status for slide in again.slides] == ["unchanged", "failed", "unchanged"]
    assert again.summaries == result.summaries


def test_a_file_named_once_and_nothing_found(threshold_model, folder, tmp_path):
    one = segment_slides(folder / "a.npy", tmp_path / "out", threshold_model, OPTIONS)
    assert one.failed == 0
    assert one.cohort == []
    nothing = segment_slides(str(tmp_path / "*.svs"), tmp_path / "out", "no such model")
    assert nothing.slides == []
    assert nothing.failed == 1


def test_warnings_are_with_their_slides(threshold_model, folder, tmp_path, monkeypatch):
    both = threading.Barrier(2, timeout=30)

    class Warning_(Several):
        def run_blocks(self, slide, *arguments):
            both.wait()
            warnings.warn(f"hears {slide.name}", stacklevel=2)
            both.wait()
            return super().run_blocks(slide, *arguments)

    notes = Notes()
    paths = [folder / "a.npy", folder / "c.npy"]
    segment_slides(paths, tmp_path / "out", threshold_model, OPTIONS, Warning_(), notes)
    heard = sorted(note[1:] for note in notes.heard if note[0] == "warning")
    assert heard == [("a.npy", "a.npy: hears a"), ("c.npy", "c.npy: hears c")]


def test_only_the_first_slide_is_announced_before_its_turn(
    threshold_model, tissue, tmp_path, monkeypatch
):
    """While its tissue is looked for; the others wait for the network of the one before."""
    expected, find, expect, begun = [], Tissue.of, Model.expect, threading.Event()

    def noting(model, height, width, number):
        expected.append((threading.current_thread().name, height))
        expect(model, height, width, number)

    class Noting(LocalExecutor):
        announced: ClassVar[list] = []

        def expect(self, model, layout):
            self.announced.append(layout.rows.length)
            super().expect(model, layout)
            begun.set()

    def tissue_of(slide):
        assert begun.wait(60)
        return find(slide)

    monkeypatch.setattr(Model, "expect", noting)
    monkeypatch.setattr(Tissue, "of", tissue_of)
    for name, rows in (("a", 200), ("b", 200), ("c", 120)):
        np.save(tmp_path / f"{name}.npy", tissue[:rows, :300])
    paths = [tmp_path / f"{name}.npy" for name in "abc"]
    result = segment_slides(paths, tmp_path / "out", threshold_model, OPTIONS, Noting())
    assert [slide.status for slide in result.slides] == ["done"] * 3
    for thread in threading.enumerate():
        if thread.name == "compile":
            thread.join(60)
    assert Noting.announced == [200]
    assert [height for thread, height in expected if thread == "compile"] == [200]
    assert sorted(height for thread, height in expected if thread != "compile") == [120, 200, 200]


def test_a_network_that_cannot_be_compiled_is_reported_once(
    threshold_model, folder, tmp_path, monkeypatch
):
    def fail(model, height, width, number):
        raise KaryoscopeError("out of memory")

    monkeypatch.setattr(Model, "expect", fail)
    with pytest.raises(KaryoscopeError, match=r"^out of memory$"):
        segment_file(folder / "a.npy", tmp_path / "out", threshold_model, OPTIONS)
    assert list((tmp_path / "out").iterdir()) == []


def test_the_next_slide_is_run_while_files_are_written(threshold_model, folder, tmp_path):
    """But never two at once, and the listener hears of one after the other."""
    begun, running, most = threading.Event(), [], []

    class OneByOne(LocalExecutor):
        def run_blocks(self, slide, *arguments):
            running.append(slide.name)
            most.append(len(running))
            if slide.name == "c":
                begun.set()
                warnings.warn("faded", stacklevel=2)
            try:
                yield from super().run_blocks(slide, *arguments)
            finally:
                running.remove(slide.name)

    class Waiting(Notes):
        def progress(self, path, progress):
            self.heard.append(("progress", path.name))
            if path.name == "a.npy":
                # Its last block has been written, its files have not been completed.
                assert begun.wait(60)

    notes = Waiting()
    paths = [folder / "a.npy", folder / "c.npy"]
    result = segment_slides(paths, tmp_path / "out", threshold_model, OPTIONS, OneByOne(), notes)
    assert [slide.status for slide in result.slides] == ["done", "done"]
    assert set(most) == {1}
    assert running == []
    assert notes.heard[:4] == [
        ("begin", "a.npy"),
        ("progress", "a.npy"),
        ("finished", "a.npy", "done"),
        ("begin", "c.npy"),
    ]
    assert [note[0] for note in notes.heard[4:] if note[0] != "problem"] in (
        ["warning", "progress", "finished"],
        # Its last block was written before it was announced.
        ["warning", "finished"],
    )


def test_files_of_a_batch_are_those_of_single_runs(threshold_model, folder, tmp_path):
    names = ("a.npy", "c.npy")
    segment_slides([folder / n for n in names], tmp_path / "both", threshold_model, OPTIONS)
    for name in names:
        segment_slides(folder / name, tmp_path / "one", threshold_model, OPTIONS)
    for name in ("a.csv", "c.csv"):
        assert (tmp_path / "both" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()


def test_an_interruption_stops_the_slides_that_were_begun(threshold_model, folder, tmp_path):
    class Interrupted(Notes):
        def finished(self, slide):
            raise KeyboardInterrupt

    for number in range(20):
        np.save(folder / f"d{number}.npy", np.load(folder / "a.npy"))
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        segment_slides(folder, out, threshold_model, OPTIONS, None, Interrupted())
    ours = ("slide", "read", "infer", "block", "write")
    assert [t.name for t in threading.enumerate() if t.name.startswith(ours)] == []
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []
    assert len(list(out.glob("*.summary.json"))) < 10


def test_a_stopped_run_runs_no_further_window(threshold_model, folder):
    progress = Progress()
    progress.stop.set()
    with open_slide(folder / "a.npy", mpp=0.5) as slide:
        area = area_of(slide, threshold_model.mpp)
        layout = layout_for(threshold_model, area)
        with pytest.raises(Stopped):
            list(run_blocks(slide, threshold_model, layout, area, progress=progress))
    assert progress.seconds["inference"] == 0


def test_a_warning_of_a_reading_thread_is_its_slide_s(tmp_path):
    heard = []
    with (
        SlideWarnings(lambda path, line: heard.append(path)) as slides,
        ThreadPoolExecutor() as pool,
    ):
        with slides.of(tmp_path / "a"):
            go = threading.Event()
            waiting = submit(pool, lambda: go.wait(30) and warnings.warn("torn", stacklevel=1))
        with slides.of(tmp_path / "b"):
            go.set()
            waiting.result()
    assert heard == [tmp_path / "a"]


def test_a_warning_of_a_helping_thread_is_the_latest_slide_s(tmp_path):
    heard = []
    with SlideWarnings(lambda path, line: heard.append((path, line))) as slides:
        warnings.warn("of nobody", stacklevel=1)
        with slides.of(tmp_path):
            helper = threading.Thread(target=lambda: warnings.warn("torn", stacklevel=1))
            helper.start()
            helper.join()
            warnings.warn("torn", stacklevel=1)
            warnings.warn("not for users", DeprecationWarning, stacklevel=1)
    assert heard == [(tmp_path, f"{tmp_path.name}: torn")]


def test_areas_of_one_slide_are_not_for_several(threshold_model, folder, tmp_path):
    options = SegmentOptions(("csv",), mpp=0.5, tissue=tmp_path / "drawn.geojson")
    with pytest.raises(InvalidOptions, match="is drawn on one slide; 3 are given"):
        segment_slides(folder, tmp_path / "out", threshold_model, options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"formats": ("cvs",)}, r"no format 'cvs'; there are .*csv"),
        ({"features": ("shapes",)}, "no feature group 'shapes'; there are "),
        ({"radius_um": float("inf")}, "the radius is a length"),
        ({"overwrite": True, "retry_failed": True}, "leave retry-failed out"),
    ],
)
def test_options_that_make_no_sense(options, says):
    with pytest.raises(InvalidOptions, match=says):
        SegmentOptions(**options)


def test_the_identity_is_what_decides_the_nuclei(threshold_model, folder):
    changes = {
        "formats": ("csv",),
        "overwrite": True,
        "preview": True,
        "mpp": 0.25,
        "roi": (0, 0, 9, 9),
        "tissue": "none",
        "stain": "clahe",
        "features": (),
        "radius_um": 9.0,
    }
    plain = Run(folder / "a.npy", folder, threshold_model).settings
    other = {
        name
        for name, value in changes.items()
        if Run(folder / "a.npy", folder, threshold_model, SegmentOptions(**{name: value})).settings
        != plain
    }
    assert other == {"mpp", "roi", "tissue", "stain", "features", "radius_um"}
    with pytest.raises(KaryoscopeError, match="no stain"):
        Run(folder / "a.npy", folder, threshold_model, SegmentOptions(stain="clahee"))
