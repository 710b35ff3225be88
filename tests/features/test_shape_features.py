"""Shape against closed forms and shapely, and what it must not depend on."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.features import GROUPS, shape_features

LIZARD = Taxonomy.load("lizard")
LENGTHS = ("perimeter_um", "major_axis_um", "minor_axis_um")
RATIOS = ("circularity", "eccentricity", "solidity")


def nuclei_of(*rings, mpp=1.0) -> Nuclei:
    n = len(rings)
    return Nuclei(
        LIZARD,
        mpp,
        np.arange(1, n + 1),
        np.ones(n),
        *np.array([np.mean(ring, 0) for ring in rings]).T,
        np.ones(n),
        np.zeros((n, 0)),
        np.concatenate(rings),
        np.cumsum([0, *map(len, rings)]),
    )


def ellipse(a, b, degrees=0.0, centre=(0.0, 0.0), corners=4000):
    t = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return turned(np.stack([a * np.cos(t), b * np.sin(t)], 1), degrees) + centre


def turned(ring, degrees):
    """Counter-clockwise on the screen, where y points down."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return ring @ np.array([[c, -s], [s, c]])


def star(radii, centre=(0.0, 0.0)):
    t = np.linspace(0, 2 * np.pi, len(radii), endpoint=False)
    return np.stack([radii * np.cos(t), radii * np.sin(t)], 1) + centre


def measured(ring, mpp_xy=None, **options):
    return {k: float(v[0]) for k, v in shape_features(nuclei_of(ring, **options), mpp_xy).items()}


@pytest.mark.parametrize("degrees", [0, 30, 90, 135, 179])
@pytest.mark.parametrize(("a", "b"), [(8, 4), (5, 4.5), (12, 1.5)])
def test_ellipse(a, b, degrees):
    found = measured(ellipse(a, b, degrees, (100, 50)), mpp=0.5)
    h = ((a - b) / (a + b)) ** 2
    perimeter = np.pi * (a + b) * (1 + 3 * h / (10 + np.sqrt(4 - 3 * h)))  # Ramanujan
    assert found["perimeter_um"] == pytest.approx(perimeter / 2, rel=2e-3)
    assert found["major_axis_um"] == pytest.approx(a, rel=1e-4)
    assert found["minor_axis_um"] == pytest.approx(b, rel=1e-4)
    assert found["eccentricity"] == pytest.approx(np.sqrt(1 - (b / a) ** 2), rel=1e-4)
    assert found["solidity"] == pytest.approx(1, abs=1e-5)
    assert found["circularity"] == pytest.approx(4 * a * b * np.pi**2 / perimeter**2, rel=4e-3)
    away = abs(found["orientation_deg"] - degrees) % 180
    assert min(away, 180 - away) < 0.1


def test_rectangle():
    ring = np.array([[0, 0], [12, 0], [12, 4], [0, 4]], float)
    found = measured(turned(ring, 20) + np.array([7, 9]), mpp=0.25)
    assert found["perimeter_um"] == pytest.approx(8, rel=1e-6)
    # The second moment of a rectangle about its middle is edge² / 12.
    assert found["major_axis_um"] == pytest.approx(4 * 3 / np.sqrt(12), rel=1e-6)
    assert found["minor_axis_um"] == pytest.approx(4 * 1 / np.sqrt(12), rel=1e-5)
    assert found["circularity"] == pytest.approx(4 * np.pi * 3 / 64, rel=1e-5)
    assert found["orientation_deg"] == pytest.approx(20, abs=1e-3)
    assert found["solidity"] == 1


def test_a_dent_lowers_solidity():
    ring = np.array([[0, 0], [4, 0], [4, 4], [3, 4], [3, 1], [1, 1], [1, 4], [0, 4]], float)
    assert measured(ring)["solidity"] == pytest.approx(10 / 16)


def test_pixels_that_are_not_square():
    # A circle in micrometres is an ellipse in such pixels.
    found = measured(ellipse(10, 20), mpp_xy=(0.5, 0.25))
    assert found["eccentricity"] == pytest.approx(0, abs=2e-2)
    assert found["major_axis_um"] == pytest.approx(10, rel=1e-4)
    assert found["circularity"] == pytest.approx(1, abs=1e-4)


def test_an_outline_without_area():
    found = measured(np.array([[0, 0], [1, 1], [2, 2]], float))
    assert found["perimeter_um"] == pytest.approx(4 * np.sqrt(2))
    assert all(np.isnan(v) for k, v in found.items() if k != "perimeter_um")


def test_no_nuclei():
    found = shape_features(Nuclei.empty(LIZARD, 0.5))
    assert list(found) == [f.name for f in GROUPS["shape"].columns]
    assert {v.shape for v in found.values()} == {(0,)}
    assert {v.dtype for v in found.values()} == {np.dtype(np.float32)}


some_radii = st.lists(st.floats(2, 12), min_size=3, max_size=40).map(np.array)


@settings(max_examples=50, deadline=None)
@given(st.lists(some_radii, min_size=1, max_size=5))
def test_against_shapely(all_radii):
    nuclei = nuclei_of(*(star(r, (20.0 * i, 500)) for i, r in enumerate(all_radii)))
    found = shape_features(nuclei)
    polygons = [shapely.Polygon(nuclei.outline(row).astype(float)) for row in range(len(nuclei))]
    hulls = shapely.area(shapely.convex_hull(polygons))
    np.testing.assert_allclose(found["perimeter_um"], shapely.length(polygons), rtol=1e-5)
    np.testing.assert_allclose(found["solidity"], shapely.area(polygons) / hulls, rtol=1e-5)
    assert (found["solidity"] <= 1).all()
    assert (found["minor_axis_um"] <= found["major_axis_um"]).all()
    assert ((found["orientation_deg"] >= 0) & (found["orientation_deg"] < 180)).all()


@pytest.mark.parametrize(
    "corners",
    [
        [(2, 0), (0, 2), (-2, 0), (0, -2)],
        [(2, 1), (1, 2), (-1, 2), (-2, 1), (-2, -1), (-1, -2), (1, -2), (2, -1)],
    ],
)
@pytest.mark.parametrize("factor", [1, 3, 37 / 64])
def test_what_has_no_longer_axis_has_the_orientation_0(corners, factor):
    ring = np.array(corners) * factor + 500.0
    for start in range(len(ring)):
        same = np.roll(ring, start, axis=0)
        assert measured(same)["orientation_deg"] == 0
        assert measured(same[::-1])["orientation_deg"] == 0


@settings(max_examples=50, deadline=None)
@given(
    radii=some_radii,
    degrees=st.floats(0, 360),
    factor=st.floats(0.5, 4),
    shift=st.tuples(st.integers(-50_000, 100_000), st.integers(-50_000, 100_000)),
    start=st.integers(0, 39),
)
def test_rotation_scaling_translation_and_the_first_vertex(radii, degrees, factor, shift, start):
    ring = star(radii)
    plain = measured(ring)
    # In steps of 1/64 px, which single precision holds exactly even far from the origin.
    grid = np.round(np.roll(ring, start, axis=0) * 64) / 64
    exact = measured(grid)
    for same in (grid[::-1], grid + np.array(shift)):
        assert measured(same) == pytest.approx(exact, rel=1e-5, abs=1e-5, nan_ok=True)
    other = measured(turned(ring * factor, degrees))
    for name in LENGTHS:
        assert other[name] == pytest.approx(factor * plain[name], rel=1e-3)
    for name in RATIOS:
        assert other[name] == pytest.approx(plain[name], abs=1e-2 if name == RATIOS[1] else 1e-4)
    if plain["eccentricity"] > 0.3:
        away = (other["orientation_deg"] - plain["orientation_deg"] - degrees) % 180
        assert min(away, 180 - away) < 0.1
