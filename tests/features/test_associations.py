"""Classes near each other, against random labelling: laws, and an independent computation."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.features import associations
from karyoscope.features.associations import ClassAssociations

LIZARD = Taxonomy.load("lizard")
MPP = 0.5
RADIUS = 40.0


def table(points: np.ndarray, classes: np.ndarray) -> Nuclei:
    """Nuclei at points in µm."""
    n = len(points)
    square = np.tile(np.array([[0, 0], [1, 0], [1, 1]], np.float32), (n, 1))
    x, y = (points / MPP).T
    offsets = np.arange(n + 1) * 3
    ids = np.arange(1, n + 1)
    return Nuclei(LIZARD, MPP, ids, classes, x, y, np.ones(n), np.zeros((n, 0)), square, offsets)


def rows_of(*blocks: Nuclei) -> dict[tuple[str, str], dict]:
    found = ClassAssociations(LIZARD, (MPP, MPP), RADIUS)
    for block in blocks:
        found.add(block)
    return {(row["from"], row["to"]): row for row in found.rows()}


def scattered(seed: int, n: int = 150, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.uniform(0, 400, (n, 2)), random.integers(1, classes + 1, n)


@pytest.fixture(autouse=True)
def fewer_permutations(monkeypatch):
    monkeypatch.setattr(associations, "PERMUTATIONS", 49)


def test_an_independent_computation():
    points, classes = scattered(3)
    between = cdist(points, points)
    np.fill_diagonal(between, np.inf)
    found = rows_of(table(points, classes))
    names = LIZARD.names
    assert len(found) == 9
    for a, b in itertools.product((1, 2, 3), repeat=2):
        row = found[names[a - 1], names[b - 1]]
        part = between[np.ix_(classes == a, classes == b)]
        assert row["nearest_um"] == pytest.approx(np.median(part.min(1)))
        near = (part <= RADIUS).sum(1).mean()
        degree = (between[classes == a] <= RADIUS).sum(1).mean()
        usual = degree * ((classes == b).sum() - (a == b)) / (len(points) - 1)
        assert row["cooccurrence"] == pytest.approx(near / usual)


def test_classes_in_random_order_are_as_at_random():
    z = [
        row[name]
        for seed in range(8)
        for row in rows_of(table(*scattered(seed, 250, 2))).values()
        for name in ("nearest_z", "cooccurrence_z")
    ]
    assert abs(np.mean(z)) < 0.4
    assert 0.6 < np.std(z) < 1.5
    assert np.max(np.abs(z)) < 5


def test_classes_that_keep_apart_and_that_meet():
    points, _ = scattered(1, 300)
    apart = rows_of(table(points, np.where(points[:, 0] < 200, 1, 2)))
    first, second = LIZARD.names[:2]
    row = apart[first, second]
    assert row["cooccurrence"] < 0.3
    assert row["cooccurrence_z"] < -5
    assert row["nearest_ratio"] > 3
    assert row["nearest_p"] == row["cooccurrence_p"] == pytest.approx(1 / 50)
    assert apart[first, first]["cooccurrence_z"] > 5
    beside = np.concatenate([points, points + 2])
    pairs = rows_of(table(beside, np.repeat([1, 2], len(points))))
    assert pairs[first, second]["nearest_um"] < 3
    assert pairs[first, second]["nearest_z"] < -5


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 50),
    st.floats(0, 6.3),
    st.floats(-500, 500),
    st.booleans(),
)
def test_what_is_seen_does_not_change_when_a_slide_is_moved(seed, angle, shift, mirrored):
    points, classes = scattered(seed, 60)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = (points * (-1 if mirrored else 1, 1)) @ turn + shift
    before, after = rows_of(table(points, classes)), rows_of(table(moved, classes))
    assert before.keys() == after.keys()
    for pair, row in before.items():
        for name in ("nearest_um", "cooccurrence"):
            assert after[pair][name] == pytest.approx(row[name], rel=1e-6, abs=1e-6)


def test_the_order_and_the_blocks_do_not_matter():
    points, classes = scattered(5)
    whole = rows_of(table(points, classes))
    order = np.random.default_rng(0).permutation(len(points))
    shuffled = table(points, classes).take(order)
    assert rows_of(shuffled.take(np.arange(70)), shuffled.take(np.arange(70, 150))) == whole


def test_of_very_many_some_are_looked_at(monkeypatch):
    points, classes = scattered(2, 600)
    whole = rows_of(table(points, classes))
    monkeypatch.setattr(associations, "MOST_FOCAL", 300)
    for pair, row in rows_of(table(points, classes)).items():
        assert row["cooccurrence"] == pytest.approx(whole[pair]["cooccurrence"], rel=0.25)


def test_few_nuclei_and_many_at_one_place():
    points, classes = np.zeros((100, 2)), np.repeat([1, 2], 50)
    row = rows_of(table(points, classes))[LIZARD.names[0], LIZARD.names[1]]
    assert row["nearest_um"] == 0
    assert row["cooccurrence"] == pytest.approx(1)
    assert rows_of(table(points[:2], classes[:2])) == {}
    assert rows_of(table(points, np.zeros(100, int))) == {}
    single = rows_of(table(scattered(0, 5)[0], np.array([1, 1, 1, 1, 2])))
    assert (LIZARD.names[1], LIZARD.names[1]) not in single
