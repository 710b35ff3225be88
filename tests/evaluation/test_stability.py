"""Steadiness: exact ways back, models that are steady, and disagreements of known size."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from karyoscope.core.errors import KaryoscopeError
from karyoscope.evaluation import Prediction
from karyoscope.evaluation.changes import (
    CHANGES,
    Change,
    compress,
    scale_brightness,
    scale_stains,
)
from karyoscope.evaluation.stability import (
    central_crop,
    count_found_again,
    pool_groups,
    room_for,
    stability,
)
from karyoscope.stains import separate

SAME = Change("same", "same")
PLACES = ("turns", "flips", "shift 1 px", "shift 2 px", "shift 3 px")
MOVED = [change for change in CHANGES if change.group in PLACES]


def tissue(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Ellipses of two colours on a pale ground."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), (225, 205, 220), np.uint8)
    for row in range(14, height - 13, 28):
        for column in range(14, width - 13, 28):
            centre = (column + int(rng.integers(-2, 3)), row + int(rng.integers(-2, 3)))
            axes = tuple(rng.integers(5, 10, 2).tolist())
            colour = [(110, 70, 150), (150, 70, 110)][int(rng.integers(2))]
            cv2.ellipse(image, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1)
    return image


def threshold(rgb: np.ndarray) -> Prediction:
    """Dark components; class 1 where blue is more than red, else 2. The same wherever it lies."""
    count, labels = cv2.connectedComponents((rgb[..., 1] < 140).astype(np.uint8), connectivity=4)
    area = np.maximum(np.bincount(labels.ravel(), minlength=count), 1)
    red, blue = (np.bincount(labels.ravel(), rgb[..., c].ravel()) / area for c in (0, 2))
    classes = np.where(blue > red, 1, 2).astype(np.uint8)
    classes[0] = 0
    return Prediction(labels, classes)


def boxes(*places: tuple[int, int], classes: tuple[int, ...] = ()) -> Prediction:
    """Squares of 10 px with their top left corner at (row, column), in 128 x 128."""
    labels = np.zeros((128, 128), np.int32)
    for i, (row, column) in enumerate(places, start=1):
        labels[row : row + 10, column : column + 10] = i
    return Prediction(labels, np.array([0, *classes], np.uint8) if classes else None)


@pytest.mark.parametrize("change", MOVED, ids=lambda change: change.name)
def test_the_way_back_is_exact(change):
    image = np.random.default_rng(0).integers(0, 256, (102, 70, 3), np.uint8)
    ids = np.arange(102 * 70, dtype=np.int32).reshape(102, 70)
    room = 3
    as_it_is = SAME.window(image, room), SAME.window(ids, room)
    changed = change.window(image, room), change.window(ids, room)
    assert as_it_is[0].shape == (96, 64, 3)
    assert not np.array_equal(changed[1], as_it_is[1])
    before, after = change.align(as_it_is[1], changed[1])
    assert before.shape == (96 - change.shift, 64 - change.shift)
    np.testing.assert_array_equal(before, after)
    for channel in range(3):
        pair = change.align(as_it_is[0][..., channel], changed[0][..., channel])
        np.testing.assert_array_equal(*pair)


def test_shifts_go_both_ways():
    ids = np.arange(50 * 40).reshape(50, 40)
    for shift in (-2, 2):
        change = Change("shift", "shift", shift=shift)
        pair = change.align(SAME.window(ids, 2), change.window(ids, 2))
        np.testing.assert_array_equal(*pair)
        assert pair[0].shape == (44, 34)


def test_a_model_that_sees_no_place_is_steady():
    images = [central_crop(tissue(240, 310, seed), 224, room_for(CHANGES)) for seed in (0, 1)]
    found = stability(threshold, images)
    assert list(found) == [change.name for change in CHANGES]
    for row in found.values():
        assert row["both"] > 40
        assert row["lost"] == row["new"] == 0
        assert row["f1"] == row["class_kept"] == 1.0


def test_a_known_disagreement_has_its_known_f1():
    kept = [(40, 40), (40, 60), (60, 40)]
    before = boxes(*kept, (80, 80), classes=(1, 2, 1, 1))
    after = boxes((62, 40), (42, 40), (40, 62), (60, 80), (60, 60), classes=(1, 1, 1, 1, 1))
    results = iter([before, after])
    image = np.zeros((128, 128, 3), np.uint8)
    row = stability(lambda rgb: next(results), [image], [SAME])["same"]
    assert (row["both"], row["lost"], row["new"], row["same_class"]) == (3, 1, 2, 2)
    assert row["f1"] == pytest.approx(6 / 9)
    assert row["class_kept"] == pytest.approx(2 / 3)


def test_an_overlap_of_half_is_no_pair():
    # Moved by 3 of 10: 7 / 13 of the union is shared; by 4: 6 / 14.
    for moved, pairs in ((3, 1), (4, 0)):
        counts = count_found_again(boxes((50, 50)), boxes((50, 50 + moved)), SAME)
        assert counts[:3].tolist() == [pairs, 1 - pairs, 1 - pairs]


def test_nuclei_of_the_frame_do_not_count_on_either_side():
    inside, framed, straddling = (60, 60), (10, 60), (26, 90)
    before = boxes(inside, framed, straddling)
    after = boxes(inside, (28, 90), (100, 20))  # the last but one has its centroid inside
    for pair in ((before, after), (after, before)):
        assert count_found_again(*pair, SAME)[:3].tolist() == [1, 0, 0]
    # Without a partner, the same nucleus counts.
    assert count_found_again(before, boxes((28, 90)), SAME)[:3].tolist() == [0, 1, 0]


def test_exchange_of_the_two_exchanges_lost_and_new():
    before, after = boxes((40, 40), (60, 60)), boxes((41, 40), (80, 60), (60, 80))
    there, back = (count_found_again(*p, SAME)[:3] for p in ((before, after), (after, before)))
    assert there.tolist() == [1, 1, 2]
    assert back.tolist() == [1, 2, 1]


def test_without_classes_or_nuclei_shares_are_none():
    images = [np.zeros((128, 128, 3), np.uint8)]
    row = stability(lambda rgb: boxes((50, 50)), images, [SAME])["same"]
    assert row["f1"] == 1.0
    assert row["same_class"] is row["class_kept"] is None
    pooled = pool_groups({"same": row})["same"]
    assert pooled["class_kept"] is None
    row = stability(lambda rgb: boxes(), images, [SAME])["same"]
    assert row["f1"] is None


def test_groups_pool_counts_not_shares():
    def row(both: int, lost: int) -> dict:
        return {"group": "a", "both": both, "lost": lost, "new": 0, "same_class": both}

    pooled = pool_groups({"x": row(1, 0), "y": row(0, 8)})
    assert list(pooled) == ["a"]
    assert pooled["a"]["f1"] == pytest.approx(2 / 10)


def test_light_stain_and_compression_do_what_they_say():
    image = tissue(64, 64)
    np.testing.assert_array_equal(scale_brightness(image, 0.9), np.rint(image * np.float32(0.9)))
    assert scale_brightness(image, 1.2).max() == 255
    np.testing.assert_array_equal(scale_stains(image), image)
    dark = image[..., 1] < 100
    before, after = separate(image)[dark], separate(scale_stains(image, eosin=1.1))[dark]
    np.testing.assert_allclose(after[:, 1], 1.1 * before[:, 1], atol=0.02)
    np.testing.assert_allclose(after[:, 0], before[:, 0], atol=0.02)
    sizes = [float(np.abs(compress(image, q).astype(int) - image).mean()) for q in (95, 70, 30)]
    assert all(fine < coarse for fine, coarse in pairwise(sizes))


def test_crops_are_central_and_whole():
    image = np.arange(522 * 775).reshape(522, 775)
    crop = central_crop(image, 640, 3)
    assert crop.shape == (512 + 6, 640 + 6)
    assert crop[0, 0] == image[2, 64]
    with pytest.raises(KaryoscopeError, match="37 x 100 px is too small"):
        central_crop(np.zeros((100, 37)), 640, 3)
