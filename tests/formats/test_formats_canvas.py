"""The picture that lies on disk, against one in memory."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from some_nuclei import make_nuclei

from karyoscope.drawing import draw_nuclei, drawn_box
from karyoscope.formats import ExportContext
from karyoscope.formats.images.canvas import TILE, Canvas
from karyoscope.formats.images.whole import read_in_strips, read_shown, shown_size


def whole(canvas):
    """All of a picture."""
    return np.concatenate([rows for _, rows in canvas.bands()])


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def filled(tmp_path):
    """Make a canvas of some pixels."""
    made = []

    def make(pixels):
        height, width = pixels.shape[:2]
        path = tmp_path / f"{len(made)}"
        made.append(Canvas(path, (width, height)))
        for top in range(0, height, 2 * TILE):
            made[-1].put(top, pixels[top : top + 2 * TILE])
        return made[-1]

    yield make
    for canvas in made:
        canvas.close()


@pytest.mark.parametrize("shape", [(1, 1), (256, 512), (700, 300), (513, 257)])
def test_what_is_put_comes_back(filled, shape):
    pixels = noise(*shape)
    canvas = filled(pixels)
    assert canvas.size == shape[::-1]
    assert np.array_equal(whole(canvas), pixels)


@settings(max_examples=30, deadline=None)
@given(
    width=st.integers(1, 700),
    height=st.integers(1, 700),
    scale=st.sampled_from([1 / 15, 1 / 3, 0.5, 1.0, 4.0]),
    corner=st.tuples(st.integers(-40, 400), st.integers(-40, 400)),
    blocks=st.integers(1, 4),
    mpp=st.sampled_from([0.25, 0.5]),
)
def test_parts_are_drawn_as_the_whole(tmp_path_factory, width, height, scale, corner, blocks, mpp):
    """Also where nuclei are cut by the border of the picture, or lie beyond it."""
    pixels = noise(height, width)
    canvas = Canvas(tmp_path_factory.mktemp("canvas") / "canvas", (width, height))
    canvas.put(0, pixels)
    nuclei = replace(make_nuclei(120), mpp=mpp)
    for rows in np.array_split(np.arange(len(nuclei)), blocks):
        block = nuclei.take(rows)
        draw_nuclei(pixels, block, scale, *corner)
        canvas.draw(
            drawn_box(block, scale, *corner),
            lambda part, first, block=block: draw_nuclei(part, block, scale, *corner, first),
        )
    found = whole(canvas)
    canvas.close()
    assert np.array_equal(found, pixels)


def test_nothing_is_asked_to_draw_beyond_the_tiles_of_the_picture(filled):
    canvas = filled(noise(300, 300))
    calls = []
    for box in [(-90, 5, -10, 9), (600, 5, 700, 9), (5, -9, 9, -1), (5, 600, 9, 900)]:
        canvas.draw(box, lambda part, first: calls.append(first))
    assert calls == []
    canvas.draw((290, 5, 310, 9), lambda part, first: calls.append((first, part.shape)))
    assert calls == [((256, 0), (256, 44, 3))]


def test_only_what_is_drawn_on_is_in_memory(filled):
    """Of a picture of 46 MB."""
    canvas = filled(np.zeros((4000, 4000, 3), np.uint8))

    def mark(part, first):
        part[:] = 7

    tracemalloc.start()
    try:
        for place in range(0, 3800, 200):
            canvas.draw((place, place, place + 100, place + 100), mark)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * TILE * TILE * 3
    assert held < TILE * TILE
    assert (np.concatenate([rows[:, :1] for _, rows in canvas.bands()])[:256] == 7).all()


def test_a_file_that_was_cut_is_an_error(filled):
    canvas = filled(noise(300, 300))
    canvas._file.truncate(10)
    with pytest.raises(OSError, match="shorter"):
        whole(canvas)


@settings(max_examples=25, deadline=None)
@given(
    size=st.tuples(st.integers(1, 900), st.integers(1, 900)),
    shown=st.none()
    | st.tuples(st.integers(0, 300), st.integers(0, 300), st.integers(1, 600), st.integers(1, 600)),
    longest=st.integers(20, 1000),
    height=st.integers(1, 300),
    same=st.booleans(),
)
def test_strips_are_the_picture(size, shown, longest, height, same):
    """Of a slide whose every reduced pixel depends on its place alone."""
    axes = (0.5, 0.5 if same else 0.3)
    context = ExportContext("s", size, 0.5, make_nuclei(1).taxonomy, mpp_axes=axes, shown=shown)

    def read(x, y, width, height, mpp):
        rows, columns = np.mgrid[y : y + height, x : x + width]
        return np.stack([rows % 251, columns % 241, (rows + columns) % 256], 2).astype(np.uint8)

    picture, scale, corner = read_shown(context, read, longest)
    strips = list(read_in_strips(context, read, longest, height))
    assert np.array_equal(np.concatenate([rows for _, rows in strips]), picture)
    assert [top for top, _ in strips] == list(range(0, len(picture), height))
    assert shown_size(context, longest) == (picture.shape[1::-1], scale, corner)
