"""White of 16-bit samples, declared alpha and orientation: one rule in every reader."""

from __future__ import annotations

import warnings

import cv2
import imagecodecs
import numpy as np
import pytest
import slide_files as files
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from karyoscope.slides import open_slide


def stored(eight, bits):
    return np.rint(eight * (((1 << bits) - 1) / 255)).astype(np.uint16)


def write_png16(path, samples):
    path.write_bytes(imagecodecs.png_encode(samples))


def write_tiff(path, samples, **options):
    tifffile.imwrite(path, samples, photometric="rgb", metadata=None, **options)


def write_zarr(path, samples):
    zarr = pytest.importorskip("zarr")
    files.write_ome_zarr(path, np.zeros((*samples.shape[:2], 3), np.uint8))
    group = zarr.open_group(str(path), mode="a")
    for level in range(2):
        pixels = np.moveaxis(samples[:: 2**level, :: 2**level], 2, 0)
        pixels = pixels[:, : group[str(level)].shape[1], : group[str(level)].shape[2]]
        group.create_array(str(level), data=np.ascontiguousarray(pixels), overwrite=True)


WRITERS = {
    "a.png": write_png16,
    "strips.tif": lambda path, samples: write_tiff(path, samples, rowsperstrip=7),
    "tiles.tif": lambda path, samples: write_tiff(path, samples, tile=(64, 64)),
    "planes.tif": lambda path, samples: tifffile.imwrite(
        path, np.moveaxis(samples, 2, 0), photometric="rgb", planarconfig="separate"
    ),
    "a.npy": np.save,
    "a.zarr": write_zarr,
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("bits", range(8, 17))
def test_every_reader_gives_the_same_picture_at_every_depth(name, bits, picture, tmp_path):
    WRITERS[name](tmp_path / name, stored(picture, bits))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with open_slide(tmp_path / name, mpp=0.5) as slide:
            seen = slide.read(0, 0, *slide.size)
    assert np.array_equal(seen, picture)
    assert slide.white_point == (1 << bits) - 1
    told = [str(w.message) for w in caught if f"use {bits} bits" in str(w.message)]
    assert len(told) == (bits < 16)


@given(st.integers(0, 29), st.sampled_from([12, 14, 16]))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_black_tile_does_not_matter_wherever_it_is(picture, tmp_path, place, bits):
    samples = stored(picture, bits)
    row, column = divmod(place, 5)
    samples[row * 64 : (row + 1) * 64, column * 96 : (column + 1) * 96] = 0
    write_tiff(tmp_path / "a.tif", samples, tile=(64, 96))
    with open_slide(tmp_path / "a.tif", mpp=0.5) as slide:
        assert slide.white_point == (1 << bits) - 1


@pytest.mark.parametrize("fill", [0, 9, 255])
def test_a_channel_of_a_tiff_that_is_not_declared_alpha(fill, picture, tmp_path):
    rgba = np.dstack([picture, np.full(picture.shape[:2], fill, np.uint8)])
    write_tiff(tmp_path / "a.tif", rgba, extrasamples=["unspecified"])
    with (
        pytest.warns(UserWarning, match="not declared to be alpha"),
        open_slide(tmp_path / "a.tif", mpp=0.5) as slide,
    ):
        assert np.array_equal(slide.read(0, 0, *slide.size), picture)


def test_a_channel_of_a_zarr_that_is_not_labelled_alpha(picture, tmp_path):
    zarr = pytest.importorskip("zarr")
    path = tmp_path / "a.zarr"
    rgba = np.dstack([picture, np.zeros(picture.shape[:2], np.uint8)])
    files.write_ome_zarr(path, rgba)
    with (
        pytest.warns(UserWarning, match="not labelled alpha"),
        open_slide(path, mpp=0.25) as slide,
    ):
        assert np.array_equal(slide.read(0, 0, *slide.size), picture)
    labels = [{"label": name} for name in ("R", "G", "B", "Alpha")]
    zarr.open_group(str(path), mode="a").attrs["omero"] = {"channels": labels}
    with pytest.warns(UserWarning, match="hides 100 %"), open_slide(path, mpp=0.25) as slide:
        assert (slide.read(0, 0, *slide.size) == 255).all()


@pytest.mark.parametrize("share", [0.2, 0.9])
@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.webp", "a.npy"])
def test_a_word_where_declared_alpha_hides_most(name, share, picture, tmp_path):
    alpha = np.full(picture.shape[:2], 255, np.uint8)
    alpha[: round(share * len(alpha))] = 0
    rgba = np.dstack([picture, alpha])
    if name == "a.tif":
        write_tiff(tmp_path / name, rgba, extrasamples=["unassalpha"], tile=(64, 64))
    elif name == "a.npy":
        np.save(tmp_path / name, rgba)
    else:
        Image.fromarray(rgba).save(tmp_path / name, lossless=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        open_slide(tmp_path / name, mpp=0.5).close()
    told = [str(w.message) for w in caught if "alpha channel hides" in str(w.message)]
    assert len(told) == (share > 0.5)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg", "a.webp"])
def test_pixels_stay_as_stored_and_the_orientation_is_named(name, orientation, picture, tmp_path):
    plain, turned = tmp_path / f"plain{name[1:]}", tmp_path / name
    if name == "a.tif":
        write_tiff(plain, picture)
        write_tiff(turned, picture, extratags=[(274, 3, 1, orientation, True)])
    else:
        exif = Image.Exif()
        exif[274] = orientation
        Image.fromarray(picture).save(plain, lossless=True)
        Image.fromarray(picture).save(turned, exif=exif, lossless=True)
    with open_slide(plain, mpp=0.5) as slide:
        expected = slide.read(0, 0, *slide.size)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with open_slide(turned, mpp=0.5) as slide:
            assert np.array_equal(slide.read(0, 0, *slide.size), expected)
    told = [str(w.message) for w in caught if f"orientation tag is {orientation}" in str(w.message)]
    assert len(told) == (orientation > 1)


def test_frames_of_an_animation(picture, tmp_path):
    frames = [Image.fromarray(picture), Image.fromarray(255 - picture)]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    with (
        pytest.warns(UserWarning, match="it holds 2 frames"),
        open_slide(tmp_path / "a.webp", mpp=0.5) as slide,
    ):
        assert np.array_equal(slide.read(0, 0, *slide.size), picture)


def test_16_bit_grey_png(tmp_path):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    cv2.imwrite(str(tmp_path / "a.png"), stored(grey, 12))
    with open_slide(tmp_path / "a.png", mpp=0.5) as slide:
        assert np.array_equal(slide.read(0, 0, 16, 16)[..., 0], grey)
