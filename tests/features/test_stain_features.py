"""Stain densities: of mixtures that are known, wherever the pixels come from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.features import stain_features

LIZARD = Taxonomy.load("lizard")
HEMATOXYLIN = np.array([0.65, 0.70, 0.29])
EOSIN = np.array([0.07, 0.99, 0.11])


def unit(vector):
    return vector / np.linalg.norm(vector)


def colour(h, e):
    return 255 * 10.0 ** -(h * unit(HEMATOXYLIN) + e * unit(EOSIN))


def squares(corners, edge=8.0, mpp=0.5) -> Nuclei:
    corners = np.array(corners, float).reshape(-1, 2)
    n = len(corners)
    ring = np.array([[0, 0], [edge, 0], [edge, edge], [0, edge]])
    return Nuclei(
        LIZARD,
        mpp,
        np.arange(1, n + 1),
        np.ones(n),
        *(corners + edge / 2).T,
        np.full(n, (edge * mpp) ** 2),
        np.zeros((n, 0)),
        (corners[:, None] + ring).reshape(-1, 2),
        np.arange(n + 1) * 4,
    )


class Picture:
    """An image that is read by windows, white beyond its edges; counts what is read."""

    def __init__(self, rgb):
        self.rgb = rgb
        self.largest = 0

    def __call__(self, x, y, width, height):
        self.largest = max(self.largest, width * height)
        out = np.full((height, width, 3), 255, np.uint8)
        rows, columns = np.arange(y, y + height), np.arange(x, x + width)
        r = (rows >= 0) & (rows < len(self.rgb))
        c = (columns >= 0) & (columns < self.rgb.shape[1])
        out[np.ix_(r, c)] = self.rgb[np.ix_(rows[r], columns[c])]
        return out


@pytest.mark.parametrize(("h", "e"), [(0, 0), (0.6, 0), (0, 0.4), (0.5, 0.2), (0.9, 0.3)])
def test_a_known_mixture(h, e):
    rgb = np.full((20, 20, 3), np.round(colour(0.1, 0.1)), np.uint8)
    rgb[4:12, 6:14] = np.round(colour(h, e))
    found = stain_features(squares([(6, 4)]), Picture(rgb))
    assert found["hematoxylin_od"][0] == pytest.approx(h, abs=0.02)
    assert found["eosin_od"][0] == pytest.approx(e, abs=0.02)
    assert {v.dtype for v in found.values()} == {np.dtype(np.float32)}


def test_the_mean_is_over_the_pixels_inside_and_in_the_grid_that_is_read():
    # One pixel of the picture spans two by two of level 0.
    rgb = np.full((20, 20, 3), 255, np.uint8)
    rgb[2:4, 3:7] = np.round(colour(0.8, 0))
    rgb[4:6, 3:7] = np.round(colour(0.4, 0))
    found = stain_features(squares([(6, 4)], mpp=0.25), Picture(rgb), 2.0, 2.0)
    assert found["hematoxylin_od"][0] == pytest.approx(0.6, abs=0.01)


def test_black_is_finite_and_a_nucleus_between_the_pixels_is_not_a_number():
    found = stain_features(squares([(4, 4)]), Picture(np.zeros((20, 20, 3), np.uint8)))
    assert np.isfinite(found["hematoxylin_od"]).all()
    found = stain_features(squares([(4.6, 4.6)], edge=0.3), Picture(np.zeros((9, 9, 3), np.uint8)))
    assert np.isnan(found["hematoxylin_od"]).all()


def test_no_nuclei():
    found = stain_features(Nuclei.empty(LIZARD, 0.5), Picture(np.zeros((9, 9, 3), np.uint8)))
    assert [v.shape for v in found.values()] == [(0,), (0,)]


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), cut=st.integers(0, 2000))
def test_the_result_does_not_depend_on_how_the_table_is_cut(seed, cut):
    rng = np.random.default_rng(seed)
    picture = Picture(rng.integers(0, 256, (150, 2200, 3), dtype=np.uint8))
    columns = np.arange(-10, 2200, 90)
    nuclei = squares(np.stack([columns, rng.integers(-5, 145, len(columns))], 1), edge=12.0)
    whole = stain_features(nuclei, picture)
    assert picture.largest < 1100 * 170
    left = nuclei.x < cut
    for part in (left, ~left):
        found = stain_features(nuclei.take(part), picture)
        for name, column in found.items():
            np.testing.assert_array_equal(column, whole[name][part])
