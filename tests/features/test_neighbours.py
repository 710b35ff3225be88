"""Neighbours against brute force, and whatever the blocks."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.features import Neighbourhood, feature_columns

LIZARD = Taxonomy.load("lizard")


def points(x, y, classes, mpp=0.5) -> Nuclei:
    n = len(x)
    return Nuclei(
        LIZARD,
        mpp,
        np.arange(1, n + 1),
        classes,
        x,
        y,
        np.ones(n),
        np.zeros((n, 0)),
        np.zeros((0, 2)),
        np.zeros(n + 1),
    )


def neighbourhood(*blocks, mpp_xy=(0.5, 0.5), radius=50.0) -> Neighbourhood:
    found = Neighbourhood(LIZARD, mpp_xy, radius)
    for block in blocks:
        found.add(block)
    return found


def brute_force(nuclei, mpp_xy, radius):
    xy = np.stack([nuclei.x, nuclei.y], 1) * mpp_xy
    apart = np.sqrt(((xy[:, None] - xy) ** 2).sum(2))
    np.fill_diagonal(apart, np.inf)
    area = np.pi * radius**2 / 1e6
    columns = {"nearest_um": apart.min(1, initial=np.inf)}
    for c in LIZARD.classes:
        of_class = apart[:, nuclei.class_id == c.id]
        columns[f"nearest_{c.name}_um"] = of_class.min(1, initial=np.inf)
    columns[f"density_{radius:g}um_per_mm2"] = (apart <= radius).sum(1) / area
    for c in LIZARD.classes:
        near = (apart[:, nuclei.class_id == c.id] <= radius).sum(1)
        columns[f"density_{radius:g}um_{c.name}_per_mm2"] = near / area
    return columns


def random_nuclei(seed, count):
    rng = np.random.default_rng(seed)
    # Whole coordinates, so that some lie at one place and some exactly on the circle.
    x, y = rng.integers(0, 400, (2, count)).astype(float)
    return points(x, y, rng.choice([0, 1, 2, 2, 2, 5], count))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(0, 80),
    radius=st.sampled_from([20.0, 50.0, 12.5]),
    mpp_xy=st.sampled_from([(0.5, 0.5), (0.5, 0.25)]),
)
def test_against_brute_force(seed, count, radius, mpp_xy):
    nuclei = random_nuclei(seed, count)
    found = neighbourhood(nuclei, mpp_xy=mpp_xy, radius=radius).features(nuclei)
    expected = brute_force(nuclei, mpp_xy, radius)
    assert list(found) == list(expected)
    for name, column in expected.items():
        np.testing.assert_allclose(
            found[name], np.where(np.isinf(column), np.nan, column), rtol=1e-6, err_msg=name
        )


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(0, 400), max_size=4))
def test_the_result_does_not_depend_on_the_blocks(seed, cuts):
    nuclei = random_nuclei(seed, 120)
    whole = neighbourhood(nuclei).features(nuclei)
    edges = [0, *sorted(cuts), 401]
    parts = [(nuclei.x >= low) & (nuclei.x < high) for low, high in itertools.pairwise(edges)]
    cut = neighbourhood(*(nuclei.take(part) for part in reversed(parts)))
    for part in parts:
        for name, column in cut.features(nuclei.take(part)).items():
            np.testing.assert_array_equal(column, whole[name][part])


def test_a_single_nucleus_has_no_neighbours():
    nuclei = points([5.0], [5.0], [2])
    found = neighbourhood(nuclei).features(nuclei)
    assert np.isnan(found["nearest_um"]).all()
    assert np.isnan(found["nearest_epithelial_um"]).all()
    assert found["density_50um_per_mm2"][0] == 0
    assert {v.dtype for v in found.values()} == {np.dtype(np.float32)}


def test_many_nuclei_at_one_place_are_no_trouble():
    nuclei = points(np.full(20_000, 7.0), np.full(20_000, 7.0), np.ones(20_000))
    few = nuclei.take(np.arange(3))
    found = neighbourhood(nuclei, radius=1e-3).features(few)
    assert (found["nearest_um"] == 0).all()
    assert found["density_0.001um_neutrophil_per_mm2"] == pytest.approx(
        19_999 / (np.pi * 1e-12), rel=1e-6
    )


def test_names_are_the_definitions():
    nuclei = random_nuclei(0, 5)
    names = [f.name for f in feature_columns(["neighbours"], LIZARD, 75)]
    assert list(neighbourhood(nuclei, radius=75).features(nuclei)) == names
    assert "density_75um_epithelial_per_mm2" in names
