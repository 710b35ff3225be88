"""Grids and resampling: sizes, geometry, and values that do not depend on the window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyoscope.core.errors import KaryoscopeError
from karyoscope.slides import Grid, Level, open_slide
from karyoscope.slides.grid import grid_of, pyramid_level, whole_scale
from karyoscope.slides.resample import box_average, interpolate, plan_taps
from karyoscope.slides.sampling import level_for, sample

EXAMPLE = Path(__file__).parents[2] / "examples" / "CMU-1-Small-Region.svs"
SCALES = [None, 0.25, 0.3, 0.5, 0.7, 1.0, 1.1, 2.0]


@pytest.fixture(scope="module")
def wholes() -> dict[float | None, np.ndarray]:
    with open_slide(EXAMPLE) as slide:
        grids = {mpp: slide.grid(mpp) for mpp in SCALES}
        return {m: slide.read(0, 0, g.width, g.height, mpp=m) for m, g in grids.items()}


@settings(max_examples=50, deadline=None)
@given(
    mpp=st.sampled_from(SCALES),
    x=st.floats(-0.1, 1.05),
    y=st.floats(-0.1, 1.05),
    width=st.integers(1, 700),
    height=st.integers(1, 700),
)
def test_a_pixel_of_a_real_slide_is_the_same_through_any_window(wholes, mpp, x, y, width, height):
    whole = wholes[mpp]
    left, top = int(x * whole.shape[1]), int(y * whole.shape[0])
    with open_slide(EXAMPLE) as slide:
        window = slide.read(left, top, width, height, mpp=mpp)
    expected = np.full((height, width, 3), 255, np.uint8)
    y0, x0 = max(0, top), max(0, left)
    inside = whole[y0 : max(y0, top + height), x0 : max(x0, left + width)]
    if inside.size:
        down, right = y0 - top, x0 - left
        expected[down : down + inside.shape[0], right : right + inside.shape[1]] = inside
    assert np.array_equal(window, expected)


@pytest.mark.parametrize(
    ("own", "asked", "scale"),
    [
        (0.499, 0.5, 1),
        (0.5, 0.51, 1),
        (0.5, 0.52, 1.04),
        (0.25, 0.5, 2),
        (0.2527, 0.5, 2),
        (0.23, 0.5, 0.5 / 0.23),
        (1.0, 0.5, 0.5),
        (0.25, 0.25, 1),
        (0.121, 0.5, 0.5 / 0.121),
        (0.125, 0.5, 4),
    ],
)
def test_scale_is_whole_where_it_nearly_is(own, asked, scale):
    with open_slide(np.zeros((1000, 2000, 3), np.uint8), mpp=own) as slide:
        grid = slide.grid(asked)
    assert (grid.scale_x, grid.scale_y) == pytest.approx((scale, scale))
    assert grid.width == np.ceil(2000 / scale - 1e-6)
    assert grid.height == np.ceil(1000 / scale - 1e-6)


def test_same_scale_is_not_resampled(picture):
    with open_slide(picture, mpp=0.499) as slide:
        assert np.array_equal(slide.read(0, 0, *slide.size, mpp=0.5), picture)


@pytest.mark.parametrize("mpp", [0, -1, float("nan"), float("inf")])
def test_grid_refuses_a_scale_that_is_none(mpp):
    slide = open_slide(np.zeros((4, 4, 3), np.uint8), mpp=0.5)
    with pytest.raises(KaryoscopeError, match="positive"):
        slide.grid(mpp)


@given(kx=st.integers(1, 7), ky=st.integers(1, 7), w=st.integers(1, 30), h=st.integers(1, 30))
@settings(max_examples=40, deadline=None)
def test_box_average_is_the_rounded_mean(kx, ky, w, h):
    pixels = np.random.default_rng(w * 31 + h).integers(0, 256, (h, w, 3)).astype(np.uint8)
    averages = box_average(pixels, kx, ky)
    assert averages.shape == (-(-h // ky), -(-w // kx), 3)
    for row in range(averages.shape[0]):
        for column in range(averages.shape[1]):
            box = pixels[row * ky : (row + 1) * ky, column * kx : (column + 1) * kx]
            total, count = box.reshape(-1, 3).sum(0, dtype=int), box.shape[0] * box.shape[1]
            assert (averages[row, column] == (total + count // 2) // count).all()


@given(
    kx=st.integers(1, 4),
    ky=st.integers(1, 4),
    start=st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
def test_a_box_has_the_same_mean_in_a_part_of_the_image(kx, ky, start):
    """Wherever the part begins, whole and partial boxes are those of the whole image."""
    pixels = np.random.default_rng(8).integers(0, 256, (37, 41, 3)).astype(np.uint8)
    whole = box_average(pixels, kx, ky)
    column, row = start
    part = pixels[row * ky :, column * kx :]
    if part.size:
        assert np.array_equal(box_average(part, kx, ky), whole[row:, column:])


def test_interpolation_of_a_ramp_is_exact():
    """A linear ramp has the value of its position at every grid pixel: no shift of phase."""
    ramp = np.repeat(np.arange(0, 240, 3, dtype=np.uint8)[None, :, None], 3, axis=2)
    step = 0.7
    taps, one = plan_taps(0, 110, step, 80), plan_taps(0, 1, 1.0, 1)
    mixed = interpolate(ramp, taps.low, taps.high, taps.weight, one.low, one.high, one.weight)
    position = np.clip((np.arange(110) + 0.5) * step - 0.5, 0, 79)
    assert np.abs(mixed[0, :, 0] - 3 * position).max() <= 0.51


@pytest.mark.parametrize("scale", [0.5, 0.83, 1.0, 1.4, 1.9, 2.0, 2.3, 3.7, 5.0, 8.0])
def test_geometry_of_the_grid(scale):
    """The centre of mass of a disc stays where it is, to a twentieth of a pixel of level 0."""
    y, x = np.mgrid[0:200, 0:220] + 0.5
    centre = 111.3, 97.8
    disc = 255 / (1 + np.exp((np.hypot(x - centre[0], y - centre[1]) - 40) / 3))
    image = np.repeat(disc[..., None], 3, axis=2).round().astype(np.uint8)
    grid = grid_of((220, 200), scale, scale)
    levels = [Level(220, 200)]
    read = lambda _, x, y, w, h: image[y : y + h, x : x + w].copy()  # noqa: E731
    small = sample(levels, read, grid, (0, 0, grid.width, grid.height))[..., 0].astype(float)
    columns, rows = np.arange(grid.width) + 0.5, np.arange(grid.height) + 0.5
    found = (
        (small.sum(0) * columns).sum() / small.sum() * scale,
        (small.sum(1) * rows).sum() / small.sum() * scale,
    )
    assert found == pytest.approx(centre, abs=0.05)


def test_anisotropic_pixels_are_read_on_an_isotropic_grid(tmp_path):
    import tifffile

    image = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
    per_cm = 1e4 / 0.25, 1e4 / 0.5
    tifffile.imwrite(
        tmp_path / "a.tif", image, resolution=per_cm, resolutionunit="CENTIMETER", metadata=None
    )
    with open_slide(tmp_path / "a.tif") as slide:
        assert slide.mpp_xy == pytest.approx((0.25, 0.5))
        assert slide.mpp == pytest.approx(np.sqrt(0.125))
        grid = slide.grid(0.5)
        assert (grid.width, grid.height) == (40, 60)
        assert (grid.scale_x, grid.scale_y) == pytest.approx((2, 1))
        pairs = image.reshape(60, 40, 2, 3).mean(2)
        assert np.abs(slide.read(0, 0, 40, 60, mpp=0.5) - pairs).max() <= 0.5


@pytest.mark.parametrize(
    ("size", "width", "height", "expected"),
    [
        ((46000, 32914), 11500, 8228, (4, 4)),
        ((2220, 2967), 1110, 1484, (2, 2)),
        ((1001, 999), 125, 125, (8, 8)),
        ((1000, 1000), 300, 300, (10 / 3, 10 / 3)),
        ((1, 5000), 1, 2500, (1, 2)),
    ],
)
def test_downsample_of_a_level_is_whole_where_rounding_allows(size, width, height, expected):
    level = pyramid_level(size, width, height)
    assert (level.downsample_x, level.downsample_y) == pytest.approx(expected)


def test_the_coarsest_level_that_is_fine_enough_is_read():
    levels = [Level(1000, 1000), Level(250, 250, 4, 4), Level(62, 62, 16, 16)]
    for scale, index in [(0.5, 0), (1, 0), (3.9, 0), (4, 1), (15, 1), (16, 2), (100, 2)]:
        assert level_for(levels, Grid(10, 10, scale, scale)) == index


def test_pyramid_and_level_0_give_the_same_picture(picture, tmp_path):
    from slide_files import write_tiff_pyramid

    with (
        open_slide(write_tiff_pyramid(tmp_path / "a.tif", picture)) as pyramid,
        open_slide(picture, mpp=0.25) as flat,
    ):
        for mpp in (0.5, 0.7, 1.0, 1.3, 3.0):
            width, height = pyramid.grid(mpp).width - 2, pyramid.grid(mpp).height - 2
            a, b = (s.read(0, 0, width, height, mpp=mpp).astype(int) for s in (pyramid, flat))
            # Between the levels the two ways differ in sharpness, not in place.
            assert np.abs(a - b).mean() < (1 if mpp in (0.5, 1.0) else 8), mpp


def test_thumbnail_of_a_large_image_is_read_in_parts():
    """A thumbnail of an image without a pyramid never holds level 0 as a whole."""
    windows = []

    def read(level, x, y, width, height):
        windows.append(width * height)
        return np.full((height, width, 3), 7, np.uint8)

    grid = grid_of((40_000, 5_000), 40, 40)
    small = sample([Level(40_000, 5_000)], read, grid, (0, 0, grid.width, grid.height))
    assert small.shape == (125, 1000, 3)
    assert (small == 7).all()
    assert sum(windows) == 200_000_000
    assert max(windows) <= 17_000_000


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 5000, 3), (5000, 1, 3)])
@pytest.mark.parametrize("mpp", [None, 0.1, 0.5, 0.77, 2.0, 60.0])
def test_images_of_one_pixel_width(shape, mpp):
    image = np.random.default_rng(1).integers(0, 255, shape).astype(np.uint8)
    with open_slide(image, mpp=0.25) as slide:
        grid = slide.grid(mpp)
        assert min(grid.width, grid.height) >= 1
        whole = slide.read(0, 0, grid.width, grid.height, mpp=mpp)
        assert whole.shape == (grid.height, grid.width, 3)
        assert abs(whole.mean() - image.mean()) < 3
        rgb, scale = slide.thumbnail(64)
        assert max(rgb.shape) <= 64
        assert scale >= 1


def test_whole_scale():
    assert whole_scale(1.029) == 1
    assert whole_scale(0.971) == 1
    assert whole_scale(1.05) == 1.05
    assert whole_scale(0.5) == 0.5
    assert whole_scale(7.9) == 8
