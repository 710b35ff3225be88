"""Datasets read images by the rules that slides are read by, and their labels fit."""

from __future__ import annotations

import gzip
import json
import warnings

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets import open_dataset
from karyoscope.datasets.image_files import read_rgb
from karyoscope.datasets.writing import write_png


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(30, 256, (40, 60, 3)).astype(np.uint8)


def quiet(path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        return read_rgb(path), [str(w.message) for w in caught]


@pytest.mark.parametrize("bits", [12, 14, 16])
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_depth(name, bits, image, tmp_path):
    samples = np.rint(image * (((1 << bits) - 1) / 255)).astype(np.uint16)
    if name == "a.png":
        (tmp_path / name).write_bytes(imagecodecs.png_encode(samples))
    else:
        tifffile.imwrite(tmp_path / name, samples, photometric="rgb")
    seen, told = quiet(tmp_path / name)
    assert np.array_equal(seen, image)
    assert [f"use {bits} bits" in line for line in told] == [True] * (bits < 16)


@pytest.mark.parametrize("declared", [False, True])
def test_a_fourth_channel_is_alpha_where_it_is_declared(declared, image, tmp_path):
    rgba = np.dstack([image, np.zeros(image.shape[:2], np.uint8)])
    kind = "unassalpha" if declared else "unspecified"
    tifffile.imwrite(tmp_path / "a.tif", rgba, photometric="rgb", extrasamples=[kind])
    seen, told = quiet(tmp_path / "a.tif")
    assert np.array_equal(seen, np.full_like(image, 255) if declared else image)
    assert [True for line in told if "alpha channel hides 100 %" in line] == [True] * declared


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_labels_fit_the_stored_pixels(suffix, orientation, image, tmp_path):
    """As with orientation 1: the image is not turned away from its labels."""
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    path = tmp_path / "images" / f"a.{suffix}"
    if suffix == "tif":
        extra = [(274, 3, 1, orientation, True)]
        tifffile.imwrite(path, image, photometric="rgb", extratags=extra)
    else:
        exif = Image.Exif()
        exif[274] = orientation
        Image.fromarray(image).save(path, exif=exif, lossless=True)
    labels = np.zeros(image.shape[:2], np.uint16)
    labels[3:9, 5:20] = 1
    write_png(tmp_path / "labels" / "a.png", labels)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        (sample,) = open_dataset(tmp_path, "folder", mpp=0.5)
    assert np.array_equal(sample.image, image)
    assert np.array_equal(sample.inst_map, labels)
    told = [w for w in caught if f"orientation tag is {orientation}" in str(w.message)]
    assert len(told) == (orientation > 1)


def test_geojson_that_is_compressed_begins_with_a_mark_or_is_a_collection(image, tmp_path):
    def square(x):
        ring = [[x, 5], [x + 6, 5], [x + 6, 11], [x, 11], [x, 5]]
        return {"type": "Polygon", "coordinates": [ring]}

    collection = {"type": "GeometryCollection", "geometries": [square(5), square(20)]}
    ignored = {
        "type": "Feature",
        "geometry": square(40),
        "properties": {"classification": {"name": "Ignore*"}},
    }
    text = b"\xef\xbb\xbf" + json.dumps([collection, ignored]).encode()
    for name in ("a.geojson", "b.geojson.gz"):
        write_png(tmp_path / f"{name[0]}.png", image)
        (tmp_path / name).write_bytes(gzip.compress(text))
    samples = list(open_dataset(tmp_path, mpp=0.5))
    assert [sample.record.name for sample in samples] == ["a", "b"]
    for sample in samples:
        assert set(np.unique(sample.inst_map)) == {0, 1}
        assert (sample.inst_map == 1).sum() == 72
        assert sample.ignore.sum() == 36


def test_a_page_chain_in_a_circle_is_named(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*\0\x08\0\0\0" + b"\0\0" + b"\x08\0\0\0")
    with pytest.raises(KaryoscopeError, match=r"a\.tif: not a readable.*has a loop"):
        read_rgb(tmp_path / "a.tif")
