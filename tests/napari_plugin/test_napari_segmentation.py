"""Segmentation of an image layer, without napari."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from napari_fakes import fake_image

from karyoscope import KaryoscopeError, open_slide, segment
from karyoscope.napari_plugin import segmentation


@pytest.fixture(scope="module")
def pixels(example_slide):
    with open_slide(example_slide) as slide:
        return slide.read(900, 900, 256, 200)


def test_labels_lie_on_the_image_and_have_features(pixels, tiny_bundle):
    image = fake_image(pixels, scale=np.array([0.5, 0.5]), translate=np.array([3.0, 4.0]))
    labels, settings, kind = segmentation.segment_layer(image, 0.499, str(tiny_bundle), "cpu", 1)
    assert kind == "labels"
    nuclei = segment(pixels, 0.499, str(tiny_bundle), device="cpu")
    assert len(nuclei) > 5
    np.testing.assert_array_equal(labels, nuclei.label_image(256, 200))
    assert settings["name"] == "image nuclei"
    assert settings["features"]["id"].tolist() == nuclei.id.tolist()
    assert {"class", "area_um2", "circularity"} <= settings["features"].keys()
    assert settings["scale"].tolist() == [0.5, 0.5]
    assert settings["translate"].tolist() == [3, 4]
    assert settings["affine"].tolist() == np.eye(3).tolist()


def test_a_pixel_size_is_never_guessed(pixels):
    with pytest.raises(KaryoscopeError, match="the pixel size of layer 'image"):
        segmentation.segment_layer(fake_image(pixels), None, "lizard", "cpu", 1)


@pytest.mark.parametrize(
    ("units", "scale", "mpp"),
    [
        (("micrometer", "micrometer"), (0.25, 0.25), 0.25),
        (("nanometer", "micrometer"), (250, 0.25), 0.25),
        (("pixel", "pixel"), (0.25, 0.25), None),
        (("micrometer", "micrometer"), (0.25, 0.5), None),
        (("micrometer", "pixel"), (0.25, 0.25), None),
    ],
)
def test_the_scale_of_a_layer_counts_where_its_unit_is_a_length(pixels, units, scale, mpp):
    image = fake_image(pixels, units=units, scale=np.array(scale))
    assert segmentation.mpp_of(image) == (mpp and pytest.approx(mpp))


def test_the_pixel_size_of_the_file_of_a_layer(pixels, example_slide):
    source = SimpleNamespace(path=str(example_slide))
    whole = fake_image(np.broadcast_to(np.uint8(0), (2967, 2220, 3)), source=source)
    assert segmentation.mpp_of(whole) == pytest.approx(0.499, abs=1e-3)
    # Another level of the file, or a part of it.
    assert segmentation.mpp_of(fake_image(pixels, source=source)) is None
    assert segmentation.mpp_of(fake_image(pixels, source=SimpleNamespace(path="no/such"))) is None


def test_what_is_no_picture_or_too_large_is_one_line(pixels):
    stack = fake_image(np.zeros((3, 8, 8)), rgb=False)
    with pytest.raises(KaryoscopeError, match="no RGB image in two dimensions"):
        segmentation.pixels_of(stack)
    huge = fake_image(np.broadcast_to(np.uint8(0), (20_000, 20_000, 3)))
    with pytest.raises(KaryoscopeError, match="20000 x 20000 pixels, more than"):
        segmentation.pixels_of(huge)
    levels = fake_image([pixels, pixels[::2, ::2]], multiscale=True)
    assert segmentation.pixels_of(levels).shape == pixels.shape
