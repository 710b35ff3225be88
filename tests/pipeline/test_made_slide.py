"""Slides made to measure on: their share of tissue, their cuts, and that blocks leave no seam."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import openslide
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyoscope.pipeline import segment
from karyoscope.slides import open_slide

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
maker = importlib.import_module("make_slide")
seams = importlib.import_module("seams")


@given(st.integers(600, 60_000), st.floats(0, 1), st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_the_share_of_tissue_and_the_cuts(edge, share, seed):
    plan = maker.plan_slide(edge, share, seed)
    cuts = np.array(plan.cuts)
    assert cuts[0] == 0
    assert cuts[-1] == edge
    assert (np.diff(cuts) <= maker.LONGEST).all()
    one_patch = maker.LONGEST**2
    assert share * edge**2 - 1 <= plan.tissue_px <= share * edge**2 + one_patch
    borders = np.array(maker.block_borders(edge))
    if len(borders):
        distance = np.abs(cuts[1:-1, None] - borders).min(initial=edge)
        assert distance >= maker.CLEARANCE


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "made.svs"
    return path, maker.make_slide(path, 2500, 0.6, seed=3, threads=1)


def test_it_is_read_as_openslide_reads_it(made):
    with open_slide(made[0]) as slide, openslide.OpenSlide(made[0]) as peer:
        assert slide.format == "tiff"
        assert slide.size == peer.dimensions == (2500, 2500)
        assert slide.mpp == 0.499
        assert [level.downsample_x for level in slide.levels] == list(peer.level_downsamples)
        assert [level.width for level in slide.levels] == [2500, 625]
        for level, x, y in ((0, 1000, 900), (1, 100, 90)):
            corner = x * 4**level, y * 4**level
            theirs = np.asarray(peer.read_region(corner, level, (400, 400)))[..., :3]
            ours = slide.read(x, y, 400, 400, mpp=0.499 * 4**level)
            assert np.array_equal(ours, theirs)


def test_tissue_is_where_it_is_planned(made):
    path, plan = made
    cuts = plan.cuts
    with open_slide(path) as slide:
        for row, column in np.ndindex(plan.tissue.shape):
            x, y = cuts[column] + 16, cuts[row] + 16
            width, height = cuts[column + 1] - x - 16, cuts[row + 1] - y - 16
            patch = slide.read(x, y, width, height)
            chroma = patch.max(2).astype(int) - patch.min(2)
            assert (chroma.mean() > 20) == plan.tissue[row, column]


def test_the_same_seed_gives_the_same_file(made, tmp_path):
    maker.make_slide(tmp_path / "again.svs", 2500, 0.6, seed=3, threads=2)
    assert (tmp_path / "again.svs").read_bytes() == made[0].read_bytes()
    maker.make_slide(tmp_path / "other.svs", 2500, 0.6, seed=4, threads=1)
    assert (tmp_path / "other.svs").read_bytes() != made[0].read_bytes()


def scattered(edge, seed, points=40_000):
    random = np.random.default_rng(seed)
    return random.uniform(0, edge, (2, points))


def test_points_without_a_seam_have_none():
    edge = 6000
    plan, borders = maker.plan_slide(edge, 0.7, 0), maker.block_borders(edge)
    found = [seams.find_seams(*scattered(edge, seed), plan, borders) for seed in range(40)]
    z = np.array([one.z for one in found])
    assert abs(z.mean()) < 4 / np.sqrt(len(z))
    assert 0.7 < z.std() < 1.4
    assert np.mean([one.nuclei / one.expected for one in found]) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("lost", "sign"), [(True, -1), (False, 1)])
def test_points_lost_or_doubled_at_borders_are_a_seam(lost, sign):
    edge = 6000
    plan, borders = maker.plan_slide(edge, 0.7, 0), maker.block_borders(edge)
    x, y = scattered(edge, 0, 160_000)
    at_border = np.abs(x[:, None] - np.array(borders)).min(1) < 4
    if lost:
        x, y = x[~at_border], y[~at_border]
    else:
        x, y = np.append(x, x[at_border]), np.append(y, y[at_border])
    found = seams.find_seams(x, y, plan, borders)
    assert sign * found.z > 4
    # Of strips of 32 px, 8 px; only on the borders that are upright, half of all.
    assert found.nuclei / found.expected == pytest.approx(1 + sign / 8, abs=4 * found.error)


@pytest.mark.slow
def test_blocks_leave_no_seam(threshold_model, tmp_path):
    edge = 3600
    path = tmp_path / "made.svs"
    plan = maker.make_slide(path, edge, 0.8, seed=1, threads=1)
    nuclei = segment(path, model=threshold_model, tissue="none")
    found = seams.find_seams(nuclei.x, nuclei.y, plan, maker.block_borders(edge))
    assert found.nuclei > 200
    assert abs(found.z) < 3.5
