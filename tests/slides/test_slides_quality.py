"""Quality control of a slide: known faults made on real tissue, and what must not change it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.faults import KINDS, known_kinds
from karyoscope.core.staining import DAB, DECADIC_DENSITY, EOSIN, HAEMATOXYLIN, unit_rows
from karyoscope.slides import Quality, Tissue, open_slide
from karyoscope.slides.quality import sums

EXAMPLE = Path(__file__).parents[2] / "examples" / "CMU-1-Small-Region.svs"
MPP = 0.5
CELL = 64
HALF = 7 * CELL


@pytest.fixture(scope="module")
def tissue() -> np.ndarray:
    """Real tissue throughout, 14 x 14 cells of 32 µm."""
    whole = tifffile.imread(EXAMPLE)
    return np.ascontiguousarray(whole[1900 : 1900 + 14 * CELL, 640 : 640 + 14 * CELL])


def quality_of(rgb: np.ndarray, mpp: float = MPP) -> Quality:
    with open_slide(rgb, mpp) as slide:
        return Quality.of(slide, Tissue.of(slide))


def shares(quality: Quality, name: str) -> tuple[float, float]:
    """Share of the left half that has a fault, and of the right, without the cells between."""
    mask, middle = quality.masks[name], HALF // CELL
    return mask[:, : middle - 1].mean(), mask[:, middle + 1 :].mean()


def on_the_left(rgb: np.ndarray, faulty: np.ndarray) -> np.ndarray:
    changed = rgb.copy()
    changed[:, :HALF] = faulty[:, :HALF]
    return changed


def test_good_tissue_has_no_fault_but_few_cells(tissue):
    quality = quality_of(tissue)
    assert set(quality.masks) == set(KINDS)
    assert quality.cell == CELL
    assert {name: mask.mean() < 0.06 for name, mask in quality.masks.items()} == dict.fromkeys(
        KINDS, True
    )


@pytest.mark.parametrize("sigma_um", [1.5, 3.0])
def test_blur_of_known_width(tissue, sigma_um):
    faulty = cv2.GaussianBlur(tissue, (0, 0), sigma_um / MPP)
    left, right = shares(quality_of(on_the_left(tissue, faulty)), "blur")
    assert left > 0.9
    assert right == 0


def test_channels_at_the_end_of_their_range(tissue):
    faulty = np.clip(tissue.astype(np.float32) * 1.5, 0, 255).astype(np.uint8)
    left, right = shares(quality_of(on_the_left(tissue, faulty)), "saturation")
    assert left > 0.6
    assert right == 0


def test_brown_in_the_place_of_eosin(tissue):
    amounts = DECADIC_DENSITY[tissue] @ np.linalg.pinv(unit_rows((HAEMATOXYLIN, EOSIN)))
    density = np.maximum(amounts, 0) @ unit_rows((HAEMATOXYLIN, DAB))
    faulty = np.clip(255 * 10**-density, 0, 255).astype(np.uint8)
    left, right = shares(quality_of(on_the_left(tissue, faulty)), "staining")
    assert left > 0.9
    assert right < 0.06


@pytest.mark.parametrize("colour", [(10, 120, 60), (20, 20, 24)], ids=["green", "black"])
def test_a_stroke_of_a_pen(tissue, colour):
    rgb = tissue.copy()
    cv2.line(rgb, (200, 200), (200, 700), colour, 130)
    mask = quality_of(rgb).masks["pen"]
    assert mask[4:10, 3].all()
    assert not mask[:, 6:].any()


def test_a_ring_of_air(tissue):
    rgb = cv2.circle(tissue.copy(), (450, 450), 260, (45, 44, 46), 24)
    mask = quality_of(rgb).masks["bubble"]
    assert mask[5:9, 5:9].all()
    assert not mask[0].any()
    assert not mask[:, 0].any()
    open_ring = cv2.ellipse(
        tissue.copy(), (450, 450), (260, 260), 0, 0, 240, (45, 44, 46), 24, cv2.LINE_8
    )
    assert not quality_of(open_ring).masks["bubble"].any()


def test_a_strip_that_lies_twice(tissue):
    density = DECADIC_DENSITY[tissue]
    density[:, HALF : HALF + 2 * CELL] *= 2
    faulty = np.clip(255 * 10**-density, 0, 255).astype(np.uint8)
    mask = quality_of(faulty).masks["fold"]
    assert mask[:, 7:9].mean() > 0.4
    assert mask[:, :6].mean() < 0.05 * mask[:, 7:9].mean()


def test_masks_do_not_depend_on_the_tiles_that_are_read(tissue, monkeypatch):
    whole = quality_of(tissue)
    monkeypatch.setattr(sums, "TILE", 3)
    for name, mask in quality_of(tissue).masks.items():
        np.testing.assert_array_equal(mask, whole.masks[name])


def test_masks_rotate_with_the_slide(tissue):
    faulty = on_the_left(tissue, cv2.GaussianBlur(tissue, (0, 0), 4))
    upright, turned = (
        quality_of(np.ascontiguousarray(rgb)).masks for rgb in (faulty, np.rot90(faulty))
    )
    for name, mask in upright.items():
        assert (np.rot90(mask) == turned[name]).mean() > 0.98


def test_points_lie_in_the_cell_around_them(tissue):
    quality = Quality({"blur": np.eye(3, dtype=bool)}, 10)
    x, y = np.array([0.0, 9.9, 10, 10, 29.9, 31]), np.array([0.0, 9.9, 0, 10, 29.9, 35])
    expected = [True, True, False, True, True, True]
    assert quality.holding(x, y)["blur"].tolist() == expected
    assert quality.sound(x, y, ["blur"]).tolist() == [not held for held in expected]
    assert quality.sound(x, y, []).all()


def test_tissue_without_faults_is_searched_everywhere(tissue):
    with open_slide(on_the_left(tissue, cv2.GaussianBlur(tissue, (0, 0), 6)), MPP) as slide:
        found = Tissue.of(slide)
        quality = Quality.of(slide, found)
    left = quality.without(found, ["blur"])
    assert left.mask.sum() < 0.7 * found.mask.sum()
    assert (left.searched == found.searched).all()
    assert (quality.without(found, []).mask == found.mask).all()


def test_an_unknown_kind_is_one_line():
    with pytest.raises(KaryoscopeError, match="no kind of fault 'ink': there are blur, pen"):
        known_kinds(["blur", "ink"])
