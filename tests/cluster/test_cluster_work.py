"""What a machine does, in this process and without Ray; and how blocks are divided."""

from __future__ import annotations

import itertools
import pickle
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyoscope.cluster import Cluster, regions, work
from karyoscope.cluster.work import Job, ModelSource, run_region, try_model
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.remarks import listening, warn
from karyoscope.pipeline import Layout, area_of, load_stain, prepare_model, run_blocks
from karyoscope.slides import open_slide
from tiny_model import assert_same_nuclei


@st.composite
def blocks_and_windows(draw):
    """Some blocks of a lattice, row by row, each of which needs four windows or fewer."""
    columns, rows = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    blank = draw(st.sets(st.tuples(st.integers(0, rows), st.integers(0, columns)), max_size=20))
    found = {}
    for index in draw(st.sets(st.integers(0, rows * columns - 1))):
        row, column = divmod(index, columns)
        corners = {(row + down, column + right) for down in (0, 1) for right in (0, 1)}
        found[index] = (corners - blank) or corners
    return found


def busiest(blocks, regions):
    return max(len(set().union(*(blocks[i] for i in region))) for region in regions)


@given(blocks_and_windows(), st.integers(0, 20), st.integers(1, 30))
@settings(max_examples=100)
def test_regions_hold_each_block_once_and_in_order(blocks, slots, largest):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regions, "LARGEST", largest)
        divided = regions.divide(blocks, slots)
    assert [index for region in divided for index in region] == sorted(blocks)
    assert all(0 < len(region) <= largest for region in divided)


@given(blocks_and_windows(), st.integers(1, 5), st.data())
@settings(max_examples=100)
def test_no_other_division_among_as_many_tasks_would_be_done_sooner(blocks, slots, data):
    divided = regions.divide(blocks, slots)
    rounds = -(-len(divided) // slots)
    places = sorted(blocks)
    cuts = data.draw(st.lists(st.integers(0, len(places)), max_size=slots - 1).map(sorted))
    ends = [0, *cuts, len(places)]
    other = [places[a:b] for a, b in itertools.pairwise(ends) if a < b]
    if places:
        assert rounds * busiest(blocks, divided) <= busiest(blocks, other)


def test_windows_are_looked_up_once_however_often_a_division_is_tried():
    """Else slides of 10,000 blocks take half a minute before the first task begins."""
    looked_up = []

    class Window:
        def __init__(self, place):
            self.place = place

        def __hash__(self):
            looked_up.append(self.place)
            return hash(self.place)

        def __eq__(self, other):
            return self.place == other.place

    blocks = {index: [Window(index), Window(index + 1)] for index in range(50)}
    assert sum(map(len, regions.divide(blocks, 4))) == 50
    assert sorted(looked_up) == sorted(window.place for each in blocks.values() for window in each)


@pytest.fixture
def source(tiny_bundle):
    return ModelSource(str(tiny_bundle), "cpu", 1, 1)


@pytest.fixture
def job(example_slide, source):
    with open_slide(example_slide.resolve()) as slide:
        area = area_of(slide, 0.5)
        grid = area.grid
        yield Job("a", slide, Layout(grid.width, grid.height, largest=960), area)
    work.open_jobs.clear()


def version():
    from importlib.metadata import version

    return version("karyoscope")


def test_a_region_is_what_the_blocks_are_here(job, source, tiny_bundle):
    model = prepare_model(tiny_bundle, "cpu", 1)
    wanted = [3, 4, 5, 9]
    here = list(run_blocks(job.slide, model, job.layout, job.area, wanted))
    there = run_region("a", pickle.dumps(job), source, version(), wanted)
    assert not there.problem
    assert there.device == model.engine.device
    assert [index for index, _, _ in there.blocks] == wanted == [index for index, _, _ in here]
    assert [facts for _, _, facts in there.blocks] == [facts for _, _, facts in here]
    all_here, all_there = (
        Nuclei.concat([n for _, n, _ in blocks]) for blocks in (here, there.blocks)
    )
    assert len(all_here) > 100
    assert_same_nuclei(all_there, all_here)
    assert set(there.seconds) >= {"reading", "inference", "postprocessing"}


def test_warnings_of_a_machine_come_back_each_once(job, source, monkeypatch):
    def warning(*arguments, **options):
        for _ in range(2):
            warn("said by us")
            warnings.warn("said by a library", stacklevel=2)
        return run_blocks(*arguments, **options)

    monkeypatch.setattr(work, "run_blocks", warning)
    there = run_region("a", pickle.dumps(job), source, version(), [0])
    assert there.warnings == ["said by us", "said by a library"]
    assert len(there.blocks) == 1
    heard = []
    cluster = Cluster("nowhere")
    cluster._ray = SimpleNamespace(wait=lambda asked, timeout: (asked, []), get=lambda asked: there)
    with listening(heard.append):
        assert cluster._result("task") is there
    assert heard == there.warnings


def test_the_slide_stays_open_between_regions(job, source):
    packed = pickle.dumps(job)
    run_region("a", packed, source, version(), [0])
    kept = work.open_jobs["a"].slide
    run_region("a", b"not asked for", source, version(), [1])
    assert work.open_jobs["a"].slide is kept
    for key in "bcd":
        run_region(key, packed, source, version(), [0])
    assert list(work.open_jobs) == ["c", "d"]


def test_a_slide_that_the_machine_does_not_see(job, source, tmp_path):
    moved = tmp_path / "moved.svs"
    moved.write_bytes(job.slide.path.read_bytes())
    with open_slide(moved) as slide:
        packed = pickle.dumps(Job("m", slide, job.layout, job.area))
    moved.unlink()
    problem = run_region("m", packed, source, version(), [0]).problem
    assert str(moved) in problem
    assert "storage that all machines of the cluster see" in problem


def test_another_version_is_named(source):
    assert "install one version everywhere" in try_model(source, "0.0.1").problem
    assert try_model(source, version()).device.startswith("CPU")


def test_a_model_that_the_machine_does_not_see(source, tmp_path):
    elsewhere = ModelSource(str(tmp_path / "none"), "cpu", 1, 1)
    assert str(tmp_path / "none") in try_model(elsewhere, version()).problem


def test_ray_that_is_not_installed_is_named_with_its_extra(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(KaryoscopeError, match=r"pip install 'karyoscope\[cluster\]'"):
        Cluster("local").load("lizard")


def test_a_slide_that_is_seen_in_other_colours_is_so_elsewhere(example_slide):
    with open_slide(example_slide.resolve()) as slide:
        stained = load_stain(f"macenko:{example_slide}", 0.5).over(slide, 0.5)
        clahe = load_stain("clahe").over(slide, 0.5)
        for one in (stained, clahe):
            again = pickle.loads(pickle.dumps(one))
            window = (903, 1411, 200, 150, 0.5)
            assert np.array_equal(again.read(*window), one.read(*window))
            assert again.mpp_xy == one.mpp_xy
        assert not np.array_equal(clahe.read(*window), slide.read(*window))
