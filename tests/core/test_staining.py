"""The two laws of optical density."""

from __future__ import annotations

import numpy as np

from karyoscope.core.staining import RUIFROK, decadic_density, natural_density, unit_rows


def test_white_has_no_density_and_black_a_finite_one():
    for law in (natural_density, decadic_density):
        found = law(np.array([255, 0], np.uint8))
        assert abs(found[0]) < 1e-6
        assert np.isfinite(found[1])
        assert found[1] > 2


def test_a_tenth_of_the_light_is_a_density_of_one():
    grey = np.array([25, 26], np.uint8)
    low, high = decadic_density(grey)[::-1]
    assert low < 1 < high
    np.testing.assert_allclose(natural_density(grey) / np.log(10), decadic_density(grey), atol=0.02)


def test_rows_have_length_one():
    np.testing.assert_allclose(np.linalg.norm(unit_rows(RUIFROK), axis=1), 1)
