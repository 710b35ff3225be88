"""What is computed in strips of rows is what the whole picture gives."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from karyoscope.slides import tissue_mask
from karyoscope.slides.strips import closed, strips, within


@pytest.mark.parametrize("height", [1, 255, 256, 257, 900])
def test_strips_divide_the_rows(height):
    rows = np.arange(height)
    found = [rows[wide][inner] for _, wide, inner in strips(height, 13)]
    np.testing.assert_array_equal(np.concatenate(found), rows)
    for own, wide, _ in strips(height, 13):
        assert wide.start == max(0, own.start - 13)
        assert wide.stop == min(height, own.stop + 13)


def points(shape: tuple[int, int], share: float) -> np.ndarray:
    return np.random.default_rng(1).random(shape) < share


@pytest.mark.parametrize("radius", [1, 2.5, 12.5, 60])
@pytest.mark.parametrize("share", [0.0, 1e-4, 0.01, 1.0])
def test_distances_reach_from_strip_to_strip(radius, share):
    mask = points((700, 90), share)
    expected = np.zeros(mask.shape, bool)
    if mask.any():
        rest = (~mask).astype(np.uint8)
        expected = cv2.distanceTransform(rest, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= radius
    np.testing.assert_array_equal(within(mask, radius), expected)


def test_a_gap_between_strips_is_closed_if_it_is_narrow():
    mask = np.ones((600, 60), bool)
    mask[250:262] = False
    assert closed(mask, 7)[:, 20:40].all()
    assert (closed(mask, 3) == mask).all()


def test_tissue_is_found_alike_wherever_strips_begin():
    """Rows of glass above a picture move the strips through it; its glass stays the same."""
    random = np.random.default_rng(0)
    picture = (random.integers(-2, 3, (520, 120, 3)) + 240).astype(np.uint8)
    for y, x in random.integers(30, 100, (40, 2)):
        top = 4 * y + 20
        picture[top : top + 22, x : x + 9] = (150, 90, 160)
    picture[255:259, 10:60] = (20, 130, 70)  # ink across two strips
    glass = (random.integers(-2, 3, (100, 120, 3)) + 240).astype(np.uint8)
    mask = tissue_mask(picture, 4.0)
    assert 0.05 < mask.mean() < 0.9
    lower = tissue_mask(np.concatenate([glass, picture]), 4.0)
    np.testing.assert_array_equal(lower[100:], mask)
    assert not lower[:80].any()
