"""Beer-Lambert and the matrix of Ruifrok & Johnston."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyoscope.core.staining import EOSIN, HAEMATOXYLIN, natural_density
from karyoscope.stains import HED, combine, separate
from karyoscope.stains.deconvolution import rgb_of_density


def test_every_colour_comes_back():
    steps = np.arange(0, 256, 3, dtype=np.uint8)
    rgb = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(-1, 3)
    np.testing.assert_array_equal(combine(separate(rgb)), rgb)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_colour_comes_back_by_any_stains(seed):
    rng = np.random.default_rng(seed)
    stains = HED + rng.uniform(-0.1, 0.1, (3, 3)).astype(np.float32)
    rgb = rng.integers(0, 256, (5, 7, 3), np.uint8)
    np.testing.assert_array_equal(combine(separate(rgb, stains), stains), rgb)


def test_density_is_the_logarithm_of_the_light_let_through():
    values = np.array([255, 127, 0], np.uint8)
    np.testing.assert_allclose(natural_density(values), [0, np.log(2), np.log(256)], rtol=1e-6)
    np.testing.assert_array_equal(rgb_of_density(natural_density(values)), values)


@pytest.mark.parametrize(("index", "stain"), [(0, HAEMATOXYLIN), (1, EOSIN)])
def test_a_pure_stain_has_one_amount(index, stain):
    density = 1.2 * np.asarray(stain) / np.linalg.norm(stain)
    amounts = separate(rgb_of_density(density)[None])[0]
    expected = np.zeros(3)
    expected[index] = 1.2
    np.testing.assert_allclose(amounts, expected, atol=0.03)


def test_the_published_vectors_have_length_one():
    np.testing.assert_allclose(np.linalg.norm(HED, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(HED[0], [0.651, 0.701, 0.290], atol=1e-3)
