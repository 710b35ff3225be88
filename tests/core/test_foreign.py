"""Colours that no stain has, and those that H&E has."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from karyoscope.core.foreign import flat_grey, foreign_pixels
from karyoscope.core.staining import EOSIN, HAEMATOXYLIN


@pytest.mark.parametrize(
    "colour",
    [(0, 0, 0), (40, 38, 44), (128, 128, 128), (190, 192, 189), (10, 120, 60), (40, 70, 190),
     (0, 150, 160), (210, 30, 45), (54, 39, 47), (49, 36, 45)],
)  # fmt: skip
def test_padding_and_ink(colour):
    assert foreign_pixels(np.array(colour, np.uint8))


def test_mixtures_of_the_stains_are_tissue():
    """All that haematoxylin and eosin can mix to, as far as it is not black."""
    amounts = np.stack(np.meshgrid(np.linspace(0, 1.6, 30), np.linspace(0, 1.2, 30)), -1)
    density = amounts[..., :1] * np.array(HAEMATOXYLIN) + amounts[..., 1:] * np.array(EOSIN)
    rgb = np.rint(255 * np.exp(-density)).astype(np.uint8)
    assert not foreign_pixels(rgb).any()


def test_much_eosin_is_no_red_ink():
    assert not foreign_pixels(
        np.array([(176, 6, 22), (202, 13, 37), (221, 20, 47)], np.uint8)
    ).any()


@pytest.mark.parametrize(
    ("image", "least", "most"),
    [
        ("consep/Train/Images/train_2.webp", 0.12, 0.25),  # black ink on a seventh of it
        ("consep/Train/Images/train_12.webp", 0.05, 0.12),  # blue
        ("lizard/Lizard_Images/pannuke_27.webp", 0.15, 0.35),  # black
        ("monusac_mini/images/A9K0_3*", 0, 0.02),  # dark red muscle, no ink
    ],
)
def test_real_ink_is_found_and_red_muscle_is_not(shared, image, least, most):
    (path,) = (shared / "data").glob(image)
    share = foreign_pixels(np.asarray(Image.open(path).convert("RGB"))).mean()
    assert least <= share <= most


def test_real_tissue_is_tissue():
    images = sorted((Path(__file__).parents[1] / "data" / "nucls_tiles" / "images").iterdir())
    shares = [foreign_pixels(np.asarray(Image.open(p).convert("RGB"))).mean() for p in images]
    assert max(shares) < 0.01


def test_flat_grey_has_no_structure():
    rgb = np.full((20, 30, 3), 225, np.uint8)
    assert flat_grey(rgb).all()
    rgb[10, 15] = (180, 120, 170)
    assert not flat_grey(rgb)[10, 15]
    assert flat_grey(rgb)[0, 0]
    noisy = np.random.default_rng(0).integers(215, 235, (20, 30, 1)).repeat(3, 2).astype(np.uint8)
    assert flat_grey(noisy).mean() < 0.05
