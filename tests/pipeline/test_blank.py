"""Windows in which nothing is searched are not run, and nothing of the results depends on them."""

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn import annotation, square, write
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import maximum_filter

from karyoscope.core.maps import map_length
from karyoscope.inference import Engine, Model
from karyoscope.pipeline import (
    Area,
    Box,
    Layout,
    SegmentOptions,
    plan_blocks,
    segment_file,
    to_files,
)
from karyoscope.pipeline.reading import LenientReader
from karyoscope.pipeline.runs.identity import run_settings
from karyoscope.pipeline.tiling import plan
from karyoscope.pipeline.tiling.mosaic import Mosaic
from karyoscope.slides import Tissue
from karyoscope.slides.grid import Grid

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
maker = importlib.import_module("make_slide")

FORMATS = ("geojson", "parquet", "csv", "labels")
STRIDES = {"inside": 1, "tp": 2, "coarse": 8}
edges = st.integers(60, 500)


@st.composite
def areas(draw, masked=True):
    """An area with a few searched cells, or with all of it, and the layout that it is cut by."""
    width, height, factor = draw(edges), draw(edges), draw(st.sampled_from([1.0, 1.7, 2.0]))
    grid = Grid(width, height, factor, factor)
    whole = Box(0, 0, int(width * factor), int(height * factor))
    x, y = (sorted(draw(st.tuples(*[st.integers(0, n)] * 2))) for n in (whole.right, whole.bottom))
    part = Box(x[0], y[0], max(x[1], x[0] + 1), max(y[1], y[0] + 1)).shared(whole)
    box = part if draw(st.booleans()) and not part.empty else whole
    tissue = None
    if masked:
        scale = draw(st.sampled_from([4.0, 7.3, 16.0, 33.1])) * factor
        rows, columns = int(-(-whole.bottom // scale)), int(-(-whole.right // scale))
        searched = np.zeros((rows, columns), bool)
        for _ in range(draw(st.integers(1, 4))):
            searched[draw(st.integers(0, rows - 1)), draw(st.integers(0, columns - 1))] = True
        tissue = Tissue(searched, searched, scale)
    area = Area(grid, box, box == whole, tissue)
    layout = Layout(
        width,
        height,
        context=draw(st.sampled_from([0, 16, 32])),
        margin=draw(st.integers(0, 40)),
        largest=draw(st.sampled_from([96, 128, 200])),
        within=area.on_grid,
        band=draw(st.integers(1, 5)),
    )
    return area, layout


def searched_in(area: Area) -> np.ndarray:
    """Which pixels of the grid have their centre where nuclei are searched: (height, width)."""
    grid, box, tissue = area.grid, area.box, area.tissue
    x, y = (np.arange(grid.width) + 0.5) * grid.scale_x, (np.arange(grid.height) + 0.5)
    y = y * grid.scale_y
    inside = np.outer((y >= box.top) & (y < box.bottom), (x >= box.left) & (x < box.right))
    if tissue is None:
        return inside
    rows, columns = (
        np.minimum((at / tissue.scale).astype(int), limit - 1)
        for at, limit in zip((y, x), tissue.searched.shape, strict=True)
    )
    return inside & tissue.searched[np.ix_(rows, columns)]


def of(box: Box, values: np.ndarray) -> np.ndarray:
    return values[box.top : box.bottom, box.left : box.right]


@settings(max_examples=100, deadline=None)
@given(areas())
def test_what_is_near_a_searched_pixel_is_computed(given):
    area, layout = given
    near = maximum_filter(searched_in(area), 2 * layout.margin + 1, mode="constant", cval=False)
    for step in plan_blocks(layout, area):
        assert step.windows
        assert not set(step.fresh) - set(step.windows)
        both = sorted([*step.windows, *step.blank], key=lambda w: (w.row, w.column))
        assert both == layout.windows(step.block.read)
        for window in step.blank:
            assert not of(window.core, near).any()
        # A machine of several that has this block alone leaves out the same windows.
        (alone,) = plan_blocks(layout, area, [step.index])
        assert (alone.windows, alone.blank) == (step.windows, step.blank)


@settings(max_examples=60, deadline=None)
@given(areas())
def test_blocks_get_the_same_maps_near_searched_pixels_and_zeros_elsewhere(given):
    """Windows come, are cut and go as planned."""
    area, layout = given
    near = maximum_filter(searched_in(area), 2 * layout.margin + 1, mode="constant", cval=False)
    mosaic = Mosaic(STRIDES)
    for step in plan_blocks(layout, area):
        for window in step.fresh:
            shape = window.read.height, window.read.width
            mosaic.put(
                window,
                {
                    name: np.ones([map_length(edge, s) for edge in shape], np.float32)
                    for name, s in STRIDES.items()
                },
            )
        read = step.block.read
        for name, found in mosaic.assemble(read, step.windows, step.blank).items():
            full = found.repeat(STRIDES[name], 0).repeat(STRIDES[name], 1)
            full = full[: read.height, : read.width]
            assert full[of(read, near)].all()
            expected = np.zeros_like(full)
            for window in step.windows:
                box = window.core.shared(read)
                of_read = Box(
                    box.left - read.left,
                    box.top - read.top,
                    box.right - read.left,
                    box.bottom - read.top,
                )
                of(of_read, expected)[:] = 1
            np.testing.assert_array_equal(full, expected)
        mosaic.drop(step.spent)
        for window, top in step.cut:
            mosaic.cut(window, top)


@settings(max_examples=60, deadline=None)
@given(areas(), st.data())
def test_the_windows_that_a_block_needs_are_those_that_are_run_for_it(given, data):
    area, layout = given
    places = range(len(list(layout.blocks())))
    wanted = data.draw(st.sets(st.sampled_from(places))) if places else set()
    steps = plan.plan_blocks(layout, area, wanted)
    needed = plan.needed_windows(layout, area, wanted)
    assert set(needed) == wanted
    assert {step.index: step.windows for step in steps}.items() <= needed.items()


@settings(max_examples=50, deadline=None)
@given(areas(masked=False))
def test_without_a_search_for_tissue_no_window_is_left_out(given):
    area, layout = given
    assert not any(step.blank for step in plan_blocks(layout, area))


def test_which_windows_are_left_out():
    """One searched cell in a corner of the block between four windows."""
    searched = np.zeros((100, 100), bool)
    layout = Layout(1000, 1000, context=16, margin=20, largest=352)
    (left, right), (top, bottom) = (layout.columns.cuts[1:3], layout.rows.cuts[1:3])
    searched[(top - 60) // 10, (left - 60) // 10] = True
    area = Area(Grid(1000, 1000, 1.0, 1.0), layout.bounds, True, Tissue(searched, searched, 10.0))
    (step,) = plan_blocks(layout, area)
    assert step.block.own.shared(Box(left, top, right, bottom)).empty is False
    assert [(w.row, w.column) for w in step.fresh] == [(0, 0)]
    assert [(w.row, w.column) for w in step.blank] == [(0, 1), (1, 0), (1, 1)]
    searched[(top - 60) // 10, (left - 15) // 10] = True
    (step,) = plan_blocks(layout, replace(area, tissue=Tissue(searched, searched, 10.0)))
    assert [(w.row, w.column) for w in step.fresh] == [(0, 0), (0, 1)], "within the margin"


class Counting(Engine):
    """Another engine whose runs are counted."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.device, self.runs = engine, engine.device, 0

    def run(self, images):
        self.runs += 1
        return self.engine.run(images)


class Stopped(BaseException):
    """Neither an error of ours nor a defect."""


@pytest.fixture
def small_windows(monkeypatch):
    """Many windows, and a search for tissue, on a small slide."""

    def layout(model, area):
        grid = area.grid
        return Layout(grid.width, grid.height, 32, 64, largest=512, within=area.on_grid)

    monkeypatch.setattr("karyoscope.pipeline.to_files.layout_for", layout)
    monkeypatch.setattr("karyoscope.pipeline.tiling.area.WHOLE_PX", 0)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "made.svs"
    maker.make_slide(path, 2400, 0.1, seed=3, threads=1)
    return path


def run(path, out, model, watch=lambda progress: None, **options):
    """Files of a run, what is in its summary but for the time, and how many windows were run."""
    counting = Counting(model.engine)
    with pytest.MonkeyPatch.context() as patch:
        reads, read = [], LenientReader.read

        def reading(self, x, y, width, height, mpp=None):
            if mpp is not None:
                reads.append((x, y))
            return read(self, x, y, width, height, mpp)

        patch.setattr(LenientReader, "read", reading)
        given = SegmentOptions(FORMATS, **options)
        counted = Model(model.bundle, counting)
        summary = segment_file(path, out, counted, given, watch=watch)
    files = {file.name: file.read_bytes() for file in out.iterdir()}
    del summary["seconds"], files[f"{path.stem}.summary.json"]
    return files, json.dumps(summary, sort_keys=True), counting.runs, len(reads)


def assert_same(found, expected):
    (files, summary), (expected_files, expected_summary) = found, expected
    assert files.keys() == expected_files.keys()
    assert [name for name in files if files[name] != expected_files[name]] == []
    assert summary == expected_summary


def all_windows(monkeypatch):
    monkeypatch.setattr(plan, "is_blank", lambda window, layout, area: False)


@pytest.mark.usefixtures("small_windows")
@pytest.mark.parametrize("roi", [None, (301, 207, 1203, 1110)])
def test_a_slide_with_glass_gives_the_same_files(made, threshold_model, tmp_path, monkeypatch, roi):
    *found, runs, reads = run(made, tmp_path / "found", threshold_model, roi=roi)
    all_windows(monkeypatch)
    *expected, before, reads_before = run(made, tmp_path / "expected", threshold_model, roi=roi)
    assert_same(found, expected)
    assert json.loads(found[1])["nuclei"] > 50
    assert runs <= 0.7 * before
    assert reads - runs == reads_before - before, "what is not run is not read"


@pytest.mark.usefixtures("small_windows")
@pytest.mark.parametrize("option", ["roi", "tissue"])
def test_an_area_that_is_drawn_in_tissue_gives_the_same_files(
    tissue, threshold_model, tmp_path, monkeypatch, option
):
    """Nuclei across its outline are whole, and those beyond it are not in the results anyway."""
    path = tmp_path / "a.npy"
    np.save(path, np.tile(tissue, (2, 2, 1)))
    drawn = write(
        tmp_path / "drawn.json",
        annotation(square(230, 230, 350, 400)),
        annotation(square(1010.5, 900, 1118, 1301)),
    )
    options = {"mpp": 0.5, option: drawn}
    *found, runs, _ = run(path, tmp_path / "found", threshold_model, **options)
    all_windows(monkeypatch)
    *expected, before, _ = run(path, tmp_path / "expected", threshold_model, **options)
    assert_same(found, expected)
    assert json.loads(found[1])["nuclei"] > 20
    assert runs < before


@pytest.mark.usefixtures("small_windows")
def test_nuclei_that_reach_what_was_not_run_are_not_kept_in_part(
    tissue, threshold_model, tmp_path, monkeypatch
):
    """Tissue that the search missed, as pale tissue or ink may be."""
    path = tmp_path / "a.npy"
    np.save(path, np.tile(tissue, (2, 2, 1)))
    with_tissue = to_files.with_tissue

    def little_is_searched(*arguments):
        area = with_tissue(*arguments)
        searched = np.zeros((-(-area.box.bottom // 16), -(-area.box.right // 16)), bool)
        layout = to_files.layout_for(threshold_model, area)
        # In the block between four windows, farther than the margin from three of them.
        row, column = ((axis.cuts[1] - 100) // 16 for axis in (layout.rows, layout.columns))
        searched[row, column] = True
        return replace(area, tissue=Tissue(searched, searched, 16.0))

    monkeypatch.setattr(to_files, "with_tissue", little_is_searched)
    *found, runs, _ = run(path, tmp_path / "found", threshold_model, mpp=0.5)
    all_windows(monkeypatch)
    *expected, before, _ = run(path, tmp_path / "expected", threshold_model, mpp=0.5)
    outlines, whole = (
        {json.dumps(f["geometry"]) for f in json.loads(files["a.geojson"])["features"]}
        for files, _ in (found, expected)
    )
    assert runs < before
    assert 10 < len(outlines) < len(whole)
    assert outlines <= whole


@pytest.mark.usefixtures("small_windows")
def test_a_run_without_a_search_for_tissue_runs_all_windows(
    made, threshold_model, tmp_path, monkeypatch
):
    *found, runs, _ = run(made, tmp_path / "found", threshold_model, tissue="none")
    all_windows(monkeypatch)
    *expected, before, _ = run(made, tmp_path / "expected", threshold_model, tissue="none")
    assert_same(found, expected)
    assert runs == before


@pytest.mark.usefixtures("small_windows")
def test_a_run_that_was_stopped_goes_on(made, threshold_model, tmp_path):
    blocks = []

    def note(progress):
        blocks[:] = [progress.blocks]

    *expected, runs, _ = run(made, tmp_path / "expected", threshold_model, note)
    out = tmp_path / "found"
    for stop in (2, 2 * blocks[0] // 3):

        def watch(progress, stop=stop):
            if progress.blocks_done == stop:
                raise Stopped

        with pytest.raises(Stopped):
            run(made, out, threshold_model, watch)
    *found, again, _ = run(made, out, threshold_model)
    assert_same(found, expected)
    assert 0 < again < runs


def test_another_rule_is_another_run(made, threshold_model, monkeypatch):
    settings = run_settings(made, threshold_model, SegmentOptions())
    monkeypatch.setattr("karyoscope.pipeline.runs.identity.MARGIN_UM", 16.0)
    assert run_settings(made, threshold_model, SegmentOptions()) != settings
