"""Values: stains that are known are found, statistics that are wanted are reached."""

import cv2
import numpy as np
import pytest
import tifffile
from stained_images import stained

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.staining import EOSIN, HAEMATOXYLIN
from karyoscope.stains import build_normaliser, estimate_stains, lab_statistics, tissue_pixels
from karyoscope.stains.clahe import Clahe
from karyoscope.stains.deconvolution import stain_matrix

OTHER = (0.55, 0.75, 0.40), (0.15, 0.90, 0.30)


@pytest.mark.parametrize("vectors", [(HAEMATOXYLIN, EOSIN), OTHER])
@pytest.mark.parametrize("strength", [(1.0, 1.0), (0.6, 1.3)])
def test_macenko_finds_the_stains_of_an_image(vectors, strength):
    found = estimate_stains(stained(*vectors, strength).reshape(-1, 3))
    angles = np.degrees(np.arccos((found.vectors[:2] * stain_matrix(*vectors)).sum(1)))
    assert angles.max() < 2
    np.testing.assert_allclose(found.top, [1.4 * strength[0], 0.8 * strength[1]], rtol=0.08)


def test_macenko_names_them_whichever_is_stronger():
    weak = estimate_stains(stained(strength=(0.5, 2.0)).reshape(-1, 3))
    assert weak.vectors[0, 0] > weak.vectors[1, 0]


def test_grey_has_no_two_stains():
    grey = np.repeat(np.random.default_rng(0).integers(0, 200, (3000, 1), np.uint8), 3, 1)
    assert estimate_stains(grey) is None


def test_macenko_carries_the_target_s_stains_over():
    """A synthetic slide restained is the slide that was stained so in the first place."""
    source = stained(*OTHER, (0.7, 1.2), seed=4)
    wanted = stained(seed=4)
    found = build_normaliser("macenko", wanted).fit(source.reshape(-1, 3))(source)
    assert np.abs(found.astype(int) - wanted).mean() < 3
    assert np.abs(source.astype(int) - wanted).mean() > 15
    np.testing.assert_array_equal(found[:12], 255)


def test_reinhard_reaches_the_target_s_statistics():
    source, target = stained(*OTHER, (0.7, 0.9), seed=4), stained(seed=5)
    found = build_normaliser("reinhard", target).fit(source.reshape(-1, 3))(source)
    np.testing.assert_allclose(
        lab_statistics(found[12:].reshape(-1, 3)), lab_statistics(target.reshape(-1, 3)), atol=1.0
    )
    np.testing.assert_array_equal(found[:12], 255)


@pytest.mark.parametrize("colour", [(0, 0, 0), (90, 90, 92), (30, 130, 80), (200, 120, 170)])
@pytest.mark.parametrize("name", ["reinhard", "macenko"])
def test_a_target_of_one_colour_is_refused(name, colour):
    flat = np.full((40, 50, 3), colour, np.uint8)
    with pytest.raises(KaryoscopeError, match="the target"):
        build_normaliser(name, flat)


@pytest.mark.parametrize("colour", [(0, 0, 0), (128, 128, 128), (20, 130, 70), (35, 65, 190)])
@pytest.mark.parametrize("name", ["reinhard", "macenko"])
def test_padding_and_ink_are_no_statistics(name, colour):
    """Law: a slide is changed as without its padding."""
    source, normaliser = stained(*OTHER, seed=4), build_normaliser(name, stained(seed=5))
    pixels = source.reshape(-1, 3)
    padded = np.concatenate([pixels, np.full((4 * len(pixels), 3), colour, np.uint8)])
    np.testing.assert_array_equal(normaliser.fit(padded)(source), normaliser.fit(pixels)(source))


def test_clahe_is_opencv_s_where_the_lattice_fits():
    rgb = stained(size=256)
    found = Clahe(32, 4.0)(rgb)
    for channel in range(3):
        expected = cv2.createCLAHE(4.0, (8, 8)).apply(np.ascontiguousarray(rgb[..., channel]))
        np.testing.assert_array_equal(found[..., channel], expected)


def test_clahe_raises_the_contrast_of_pale_tissue(example_slide):
    rgb = tifffile.imread(example_slide)[900:1156, 900:1156]
    pale = (255 - (255 - rgb) // 4).astype(np.uint8)
    assert Clahe()(pale).std() > 2 * pale.std()


def test_real_tissue_has_stains_near_the_published(example_slide):
    rgb = tifffile.imread(example_slide)[500:1500, 500:1500]
    found = estimate_stains(rgb.reshape(-1, 3))
    angles = np.degrees(np.arccos((found.vectors[:2] * stain_matrix(HAEMATOXYLIN, EOSIN)).sum(1)))
    assert angles.max() < 25


def test_glass_is_no_tissue():
    glass = np.full((100, 3), 240, np.uint8)
    pink = np.full((50, 3), (225, 160, 200), np.uint8)
    assert len(tissue_pixels(np.concatenate([glass, pink]))) == 50
