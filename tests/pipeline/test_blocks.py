"""Windows and blocks: who reads what, and who owns what."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from karyoscope.pipeline import Area, Box, Layout, plan_blocks
from karyoscope.pipeline.tiling.blocks import Axis
from karyoscope.pipeline.tiling.mosaic import Mosaic
from karyoscope.slides.grid import Grid

STRIDES = {"inside": 1, "tp": 2, "coarse": 4, "coarsest": 8}

sizes = st.integers(1, 700)
contexts = st.sampled_from([0, 5, 16, 32])
largest = st.sampled_from([96, 128, 200, 333])


def cuts_of(size: int, inner: list[int]) -> tuple[int, ...]:
    return (0, *sorted({c for c in inner if 0 < c < size}), size)


@st.composite
def layouts(draw, width=sizes, height=sizes) -> Layout:
    width, height = draw(width), draw(height)
    cuts = None
    if draw(st.booleans()):
        inner = st.lists(st.integers(1, 700), max_size=6)
        cuts = cuts_of(width, draw(inner)), cuts_of(height, draw(inner))
    return Layout(
        width,
        height,
        context=draw(contexts),
        margin=draw(st.integers(0, 40)),
        largest=draw(largest),
        cuts=cuts,
        band=draw(st.integers(1, 5)),
    )


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 20000), st.sampled_from([96, 256, 1000, 1600, 1601]), contexts)
@example(1, 1600, 32)
@example(1600, 1600, 32)
@example(1601, 1600, 32)
@example(1601, 1601, 32)
@example(5000, 1600, 32)
@example(97, 96, 32)
def test_windows_of_an_axis(size, largest, context):
    axis = Axis.over(size, largest, context)
    assert axis.cuts[0] == 0
    assert axis.cuts[-1] == size
    assert list(axis.cuts) == sorted(set(axis.cuts))
    assert len(axis.starts) == len(axis.cuts) - 1
    assert axis.length <= largest
    for start, (a, b) in zip(axis.starts, itertools.pairwise(axis.cuts), strict=True):
        stop = start + axis.length
        assert start % 32 == 0
        assert 0 <= start <= a
        assert b <= stop < size + 32
        assert a == 0 or a - start >= context
        assert b == size or stop - b >= context
        assert a % 8 == 0
    if len(axis.starts) > 1:
        fewer = len(axis.starts) - 1
        overlap = -(-2 * context // 32) * 32
        assert fewer * (largest - largest % 32 - overlap) + overlap < size, "as few as it takes"


def test_windows_need_room_beside_their_context():
    with pytest.raises(ValueError, match="context"):
        Axis.over(500, 100, 64)


@settings(max_examples=50, deadline=None)
@given(layouts())
def test_cores_partition_the_grid_and_blocks_own_it_once(layout):
    seen = np.zeros((layout.bounds.height, layout.bounds.width), np.int8)
    for window in layout.windows(layout.bounds):
        core, read = window.core, window.read
        assert read.shared(core) == core
        assert read.shared(layout.bounds) == read
        seen[core.top : core.bottom, core.left : core.right] += 1
    assert (seen == 1).all()
    seen[:] = 0
    for block in layout.blocks():
        own, read = block.own, block.read
        seen[own.top : own.bottom, own.left : own.right] += 1
        wide = own.grown(layout.margin, layout.bounds)
        assert read.shared(wide) == wide
        assert read.left % 8 == read.top % 8 == 0
        assert (read.right, read.bottom) == (wide.right, wide.bottom)
    assert (seen == 1).all()


@settings(max_examples=50, deadline=None)
@given(layouts(), st.data())
def test_blocks_within_a_region(layout, data):
    bounds = layout.bounds
    left = data.draw(st.integers(0, bounds.width - 1))
    top = data.draw(st.integers(0, bounds.height - 1))
    region = Box(
        left,
        top,
        data.draw(st.integers(left + 1, bounds.width)),
        data.draw(st.integers(top + 1, bounds.height)),
    )
    layout.within = region
    seen = np.zeros((bounds.height, bounds.width), np.int8)
    for block in layout.blocks():
        own = block.own
        assert not own.empty
        assert block.read.shared(own) == own
        seen[own.top : own.bottom, own.left : own.right] += 1
    assert (seen[region.top : region.bottom, region.left : region.right] == 1).all()
    assert seen.sum() == region.width * region.height


def positions(box: Box, stride: int) -> np.ndarray:
    """Maps that say where on the grid each value is: (h', w', 2), x and y by the stride."""
    rows, columns = -(-box.height // stride), -(-box.width // stride)
    x = np.arange(columns) + box.left // stride
    y = np.arange(rows) + box.top // stride
    return np.stack(np.meshgrid(x, y), -1).astype(np.float32)


def maps_of(box: Box) -> dict[str, np.ndarray]:
    return {name: positions(box, stride) for name, stride in STRIDES.items()}


@settings(max_examples=50, deadline=None)
@given(layouts())
def test_strided_maps_fit_together(layout):
    """Half precision holds whole numbers up to 2048, so the comparison is exact."""
    mosaic = Mosaic(STRIDES)
    for window in layout.windows(layout.bounds):
        mosaic.put(window, maps_of(window.read))
    for block in layout.blocks():
        found = mosaic.assemble(block.read, layout.windows(block.read))
        for name, expected in maps_of(block.read).items():
            assert found[name].dtype == np.float32
            np.testing.assert_array_equal(found[name], expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (1601, 2), (3300, 1700)])
def test_odd_sizes(size):
    layout = Layout(*size)
    assert sum(b.own.width * b.own.height for b in layout.blocks()) == size[0] * size[1]
    mosaic = Mosaic({"tp": 2})
    windows = layout.windows(layout.bounds)
    for window in windows:
        mosaic.put(window, {"tp": np.ones([-(-n // 2) for n in reversed(window_size(window))])})
    whole = mosaic.assemble(layout.bounds, windows)["tp"]
    assert whole.shape == (-(-size[1] // 2), -(-size[0] // 2))
    assert (whole == 1).all()


def window_size(window) -> tuple[int, int]:
    return window.read.width, window.read.height


def test_a_window_that_was_dropped_is_not_made_up():
    layout = Layout(300, 100, largest=128)
    windows = layout.windows(layout.bounds)
    mosaic = Mosaic({"inside": 1})
    for window in windows:
        mosaic.put(window, {"inside": np.zeros((window.read.height, window.read.width))})
    mosaic.drop(windows[:1])
    with pytest.raises(KeyError):
        mosaic.assemble(layout.bounds, windows)


def test_windows_of_large_slides_are_smaller():
    assert max(edges_of(Layout(2500, 3000))) > 1280
    assert 1152 < max(edges_of(Layout(20000, 9000))) <= 1280
    # Whatever part of the slide is looked at, since windows must stay where they are.
    part = Layout(20000, 9000, within=Box(0, 0, 2500, 3000))
    assert edges_of(part) == edges_of(Layout(20000, 9000))


def edges_of(layout) -> tuple[int, int]:
    return layout.columns.length, layout.rows.length


def test_a_block_needs_two_windows_an_axis():
    layout = Layout(20000, 9000)
    assert max(len(layout.windows(block.read)) for block in layout.blocks()) == 4


@settings(max_examples=50, deadline=None)
@given(layouts())
def test_rows_that_were_forgotten_are_not_needed(layout):
    """Windows come, are cut and go as planned, and every block gets its maps."""
    mosaic, held = Mosaic(STRIDES), {}
    for step in plan_blocks(layout, everything(layout)):
        for window in step.fresh:
            mosaic.put(window, maps_of(window.read))
            held[window] = window.core.top
        found = mosaic.assemble(step.block.read, step.windows)
        for name, expected in maps_of(step.block.read).items():
            np.testing.assert_array_equal(found[name], expected)
        mosaic.drop(step.spent)
        for window, top in step.cut:
            assert held[window] < top < window.core.bottom
            held[window] = top
            mosaic.cut(window, top)


def test_all_windows_are_cut_between_two_rows_of_blocks():
    layout = Layout(2000, 1500, largest=500)
    cut = {window for step in plan_blocks(layout, everything(layout)) for window, _ in step.cut}
    rows, columns = range(len(layout.rows.starts)), range(len(layout.columns.starts))
    assert cut == {layout.window(row, column) for row in rows for column in columns}


def everything(layout) -> Area:
    grid = Grid(layout.bounds.width, layout.bounds.height, 1.0, 1.0)
    return Area(grid, layout.bounds, True, None)


def test_a_window_that_was_cut_does_not_keep_its_upper_rows():
    layout = Layout(300, 300, largest=128)
    window = layout.window(1, 1)
    mosaic = Mosaic({"inside": 1})
    mosaic.put(window, {"inside": np.ones((window.read.height, window.read.width), np.float32)})
    middle = window.core.top + 16
    mosaic.cut(window, middle)
    lower = replace(window.core, top=middle)
    assert (mosaic.assemble(lower, [window])["inside"] == 1).all()
    with pytest.raises(KeyError):
        mosaic.assemble(window.core, [window])
