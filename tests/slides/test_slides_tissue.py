"""The tissue mask: nothing with a nucleus is skipped, blank glass is."""

from __future__ import annotations

import numpy as np
import pytest

from karyoscope.slides import Tissue, open_slide, tissue_mask


def glass(shape: tuple[int, int], level: int = 240, noise: int = 2) -> np.ndarray:
    random = np.random.default_rng(0).integers(-noise, noise + 1, (*shape, 3))
    return (random + level).astype(np.uint8)


@pytest.mark.parametrize("level", [215, 230, 245, 252])
def test_blank_glass_is_skipped_at_any_brightness(level):
    assert not tissue_mask(glass((100, 120), level), 8.0).any()


def test_pure_white_is_blank():
    assert not tissue_mask(np.full((50, 50, 3), 255, np.uint8), 8.0).any()


def test_glass_beside_white_padding_is_blank():
    rgb = glass((100, 120), 236)
    rgb[:, 60:] = 255
    assert not tissue_mask(rgb, 8.0).any()


@pytest.mark.parametrize("colour", [(222, 232, 240), (228, 225, 230), (243, 225, 235)])
def test_one_faint_nucleus_is_searched_with_a_margin(colour):
    rgb = glass((101, 101))
    rgb[48:52, 48:52] = colour
    with open_slide(rgb, 2.0) as slide:
        tissue = Tissue.of(slide)
    assert tissue.scale == 1
    assert tissue.mask.sum() == 16 * (max(colour) - min(colour) > 14), "no margin is measured"
    mask = tissue.searched
    rows, columns = np.nonzero(mask)
    margin = np.hypot(rows - 49.5, columns - 49.5).max() * 2.0
    assert mask[50, 50]
    assert 50 <= margin <= 72


def test_a_picture_without_glass_is_all_tissue(picture):
    stained = np.minimum(picture, (235, 195, 215)).astype(np.uint8)
    assert tissue_mask(stained, 0.5).mean() > 0.999, "but for single pixels of the edge"
    pale = np.full((40, 40, 3), (225, 205, 218), np.uint8)
    assert tissue_mask(pale, 8.0).all()


def test_the_example_slide(example_slide):
    with open_slide(example_slide) as slide:
        tissue = Tissue.of(slide)
    assert tissue.scale * 0.499 == pytest.approx(2.5, rel=0.02)
    assert tissue.fraction == pytest.approx(0.39, abs=0.01)
    assert tissue.measure(0, 0, 2220, 2967) * 0.499**2 * 1e-6 == pytest.approx(0.638, abs=0.005)
    assert 0.5 < tissue.searched.mean() < 0.7
    assert tissue.contains(900, 1400, 64, 64)
    assert not tissue.contains(0, 1800, 300, 300)
    assert not tissue.contains(2000, 2700, 220, 267)
    assert tissue.contains(0, 0, 2220, 2967)


def test_boxes_are_rounded_outwards():
    mask = np.zeros((4, 5), bool)
    mask[2, 3] = True
    tissue = Tissue(np.zeros_like(mask), mask, 10.0)
    assert tissue.contains(39.5, 29.5, 1, 1)
    assert tissue.contains(20, 10, 10.5, 10.5)
    assert not tissue.contains(20, 10, 10, 10)
    assert not tissue.contains(40, 30, 5, 5)
    assert not tissue.contains(-50, -50, 20, 20)
    assert tissue.contains(-50, -50, 500, 500)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 5000, 3)])
def test_one_pixel_wide(shape):
    with open_slide(np.full(shape, (150, 90, 140), np.uint8), mpp=0.5) as slide:
        assert Tissue.of(slide).mask.all()


@pytest.mark.slow
def test_no_annotated_nucleus_is_outside(shared):
    from karyoscope.datasets.lizard import Lizard

    for sample in Lizard(shared / "data" / "lizard"):
        with open_slide(sample.image, mpp=sample.mpp) as slide:
            tissue = Tissue.of(slide)
        rows, columns = np.nonzero(sample.inst_map)
        at = (rows / tissue.scale).astype(int), (columns / tissue.scale).astype(int)
        assert tissue.searched[at].all(), sample.record.name
