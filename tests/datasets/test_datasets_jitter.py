"""Moved nuclei: none doubled, none lost in silence, shape and area kept."""

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyoscope.datasets.jitter import jitter_nuclei

DATA = Path(__file__).parents[1] / "data" / "dsb2018" / "labels"
REAL = sorted(DATA.glob("*.png"))


def jittered(labels, seed=0, **options):
    return jitter_nuclei(labels, np.random.default_rng(seed), **options)


def ids_of(labels):
    return set(np.unique(labels).tolist()) - {0}


@st.composite
def crowded_maps(draw):
    """Ellipses of all sizes, many of which touch, with gaps between their ids."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    labels = np.zeros((int(rng.integers(5, 70)), int(rng.integers(5, 70))), np.int32)
    for nucleus in rng.permutation(60)[: rng.integers(0, 25)] + 1:
        centre = [int(rng.integers(0, length)) for length in labels.shape[::-1]]
        axes = [int(a) for a in rng.integers(0, 12, 2)]
        cv2.ellipse(labels, centre, axes, float(rng.uniform(0, 180)), 0, 360, int(nucleus), -1)
    return labels


def disc(size=60, centre=(30, 30), radius=9, nucleus=7):
    labels = np.zeros((size, size), np.int32)
    cv2.circle(labels, centre, radius, nucleus, -1)
    return labels


def pieces(mask):
    return cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] - 1


@given(crowded_maps(), st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_every_nucleus_remains_or_is_named(labels, seed):
    moved = jittered(labels, seed)
    assert moved.inst_map.dtype == np.int32
    assert moved.inst_map.shape == labels.shape
    assert ids_of(moved.inst_map) | set(moved.lost) == ids_of(labels)
    assert not ids_of(moved.inst_map) & set(moved.lost)


@given(crowded_maps(), st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_one_id_is_one_nucleus_near_its_old_place(labels, seed):
    moved = jittered(labels, seed).inst_map
    for nucleus in ids_of(moved):
        before, after = labels == nucleus, moved == nucleus
        assert pieces(after) <= pieces(before)
        reach = cv2.dilate(before.astype(np.uint8), np.ones((11, 11), np.uint8)) > 0
        assert not (after & ~reach).any()


@given(crowded_maps(), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_nuclei_at_the_edge_stay(labels, seed):
    moved = jittered(labels, seed).inst_map
    edge = np.ones(labels.shape, bool)
    edge[1:-1, 1:-1] = False
    for nucleus in ids_of(labels[edge]):
        assert np.array_equal(moved == nucleus, labels == nucleus)


@given(st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_a_free_nucleus_keeps_its_area_and_moves_no_farther_than_asked(seed):
    labels = disc()
    moved = jittered(labels, seed).inst_map == 7
    before, after = (np.argwhere(m).mean(0) for m in (labels == 7, moved))
    assert np.abs(after - before).max() <= 3.5
    # Reading at the nearest pixel changes only the outline.
    assert abs(int(moved.sum()) - int((labels == 7).sum())) <= 8


@given(crowded_maps(), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_nothing_moves_when_nothing_may(labels, seed):
    moved = jittered(labels, seed, shift=0, turn=0)
    assert np.array_equal(moved.inst_map, labels)
    assert moved.lost == ()


@given(crowded_maps(), st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_the_seed_decides(labels, seed):
    assert np.array_equal(jittered(labels, seed).inst_map, jittered(labels, seed).inst_map)


def test_moves_use_the_whole_range():
    shifts = [
        np.argwhere(jittered(disc(), seed).inst_map).mean(0) - np.argwhere(disc()).mean(0)
        for seed in range(200)
    ]
    assert np.min(shifts) < -2.4
    assert np.max(shifts) > 2.4
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.5


def test_a_turn_turns():
    """A bar turned by 90° lies across; the sign does not matter to it."""
    labels = np.zeros((41, 41), np.int32)
    labels[20, 10:31] = 1
    rng = SimpleNamespace(uniform=lambda low, high, size=None: np.zeros(size) if size else high)
    moved = jitter_nuclei(labels, rng, shift=0, turn=90).inst_map
    assert np.array_equal(moved, labels.T)


def test_overlap_costs_the_larger_nucleus():
    """A small nucleus within a large one keeps its pixels wherever both go."""
    labels = disc(radius=12)
    labels[29:32, 29:32] = 3
    for seed in range(10):
        moved = jittered(labels, seed).inst_map
        assert abs(int((moved == 3).sum()) - 9) <= 2
        assert abs(int((moved == 7).sum()) - int((labels == 7).sum())) <= 14


def test_negative_ids_are_background():
    labels = disc()
    labels[:5] = -1
    assert ids_of(jittered(labels).inst_map) == {7}


@pytest.mark.parametrize("path", REAL[:4], ids=lambda p: p.stem)
def test_real_nuclei_all_remain_and_keep_their_area(path):
    labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.int32)
    moved = jittered(labels)
    assert moved.lost == ()
    before, after = (np.bincount(m.ravel(), minlength=labels.max() + 1)[1:] for m in
                     (labels, moved.inst_map))  # fmt: skip
    present = before > 0
    ratio = after[present] / before[present]
    assert np.median(ratio) > 0.97
    assert ratio.min() > 0.3
    assert not np.array_equal(moved.inst_map, labels)
