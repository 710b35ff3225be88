import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_map_cases import (
    THREE,
    dsb2018,
    noisy,
    panoptic_quality,
    perfect_maps,
    read_mat,
    some_classes,
    tidy,
)

from karyoscope.core.errors import KaryoscopeError
from karyoscope.postprocessing import POSTPROCESSINGS, postprocess

METHOD = POSTPROCESSINGS["three_label"]


def crowd() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A crowded real label map, tiled to 512 x 640, and noisy maps of it."""
    labels = np.tile(dsb2018()[1], (2, 2))
    offset = np.zeros((2, 2), np.int32)
    offset.flat = np.arange(4) * labels.max()
    labels = np.where(labels > 0, labels + offset.repeat(256, 0).repeat(320, 1), 0)
    labels = tidy(labels)
    return labels, noisy(perfect_maps(labels, stride=2))


LABELS, MAPS = crowd()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 100), st.integers(0, 150), st.integers(160, 400), st.integers(160, 400))
def test_a_crop_with_context_gives_the_same_nuclei(top, left, height, width):
    context, top, left = 64, 2 * top, 2 * left
    params = {"foreground": {"a": 0.4, "b": 0.5, "c": 0.6}, "seed": 0.55, "min_solidity": 0.5}
    whole = postprocess("three_label", MAPS, params, THREE, 0.25)
    part = {}
    for name, values in MAPS.items():
        stride = 2 if name == "tp" else 1
        rows = slice(top // stride, -(-(top + height) // stride))
        part[name] = values[rows, left // stride : -(-(left + width) // stride)]
    height, width = part["inside"].shape[:2]
    found = postprocess("three_label", part, params, THREE, 0.25).shift(left, top)
    bottom, right = LABELS.shape[0], LABELS.shape[1]
    x0, y0 = left + context * (left > 0), top + context * (top > 0)
    x1 = left + width - context * (left + width < right)
    y1 = top + height - context * (top + height < bottom)
    box = (x0, y0, max(x1 - x0, 0), max(y1 - y0, 0))
    a, b = whole.crop(*box), found.crop(*box)
    np.testing.assert_array_equal(a.x, b.x)
    np.testing.assert_array_equal(a.y, b.y)
    np.testing.assert_array_equal(a.class_id, b.class_id)
    np.testing.assert_array_equal(a.probabilities, b.probabilities)
    np.testing.assert_array_equal(a.vertices, b.vertices)


def test_noisy_maps_keep_most_nuclei():
    found = METHOD(MAPS, None, THREE, 0.25)
    assert panoptic_quality(LABELS, found) > 0.9


def test_perfect_maps_of_lizard_with_classes_at_half_resolution(shared):
    folder = shared / "data" / "lizard" / "Lizard_Labels" / "Labels"
    scores = []
    for path in sorted(folder.glob("*.mat"))[::12]:
        labels = read_mat(path)
        found = METHOD(perfect_maps(labels[:400, :400], stride=2), None, THREE, 0.5)
        scores.append(panoptic_quality(labels[:400, :400], found))
    assert np.mean(scores) > 0.97


def test_touching_nuclei_part_where_the_interior_is_least_sure():
    inside = np.float32([[0.9, 0.9, 0.6, 0.2, 0.6, 0.9, 0.9]])
    maps = {"inside": inside, "boundary": 1 - inside}
    params = {"seed": 0.8, "min_seed_um2": 0, "min_area_um2": 0}
    labels = METHOD(maps, params, THREE, 0.5)
    np.testing.assert_array_equal(np.delete(labels[0], 3), [1, 1, 1, 2, 2, 2])


def test_thresholds_follow_the_class_of_the_pixel():
    tp = np.zeros((4, 30, 4), np.float32)
    for c in range(3):
        tp[:, 10 * c : 10 * c + 10, c + 1] = 0.3
    tp[..., 0] = 0.7
    inside = np.zeros((4, 30), np.float32)
    for c in range(3):
        inside[:, 10 * c : 10 * c + 8] = 0.6
    maps = {"inside": inside, "boundary": np.zeros_like(inside), "tp": tp}
    high = {"seed": {"a": 0.5, "b": 0.7, "c": 0.6}}
    nuclei = postprocess("three_label", maps, high, THREE, 0.5)
    assert nuclei.class_names().tolist() == ["a", "c"]
    high = {"foreground": {"a": 0.7, "b": 0.5, "c": 0.5}}
    assert postprocess("three_label", maps, high, THREE, 0.5).class_names().tolist() == ["b", "c"]


def test_limits_of_each_class():
    labels = dsb2018()[1]
    maps = perfect_maps(labels)
    area = np.bincount(labels.ravel())[1:] * 0.0625
    middle = float(np.median(area))
    params = {"min_area_um2": {"a": 0.0, "b": middle, "c": 1000.0}, "max_area_um2": 2 * middle}
    nuclei = postprocess("three_label", maps, params, THREE, 0.25)
    assert set(nuclei.class_names()) == {"a", "b"}
    of_b = nuclei.area_um2[nuclei.class_id == THREE.id_of("b")]
    assert len(of_b) > 5
    assert of_b.min() >= middle - 0.0625
    assert nuclei.area_um2.max() <= 2 * middle
    kept = some_classes(labels)[1:]
    expected = (area <= 2 * middle) & ((kept == 1) | ((kept == 2) & (area >= middle)))
    assert abs(len(nuclei) - expected.sum()) <= 3


def test_ragged_nuclei_are_removed():
    inside = np.zeros((40, 80), np.float32)
    inside[5:35, 5:35] = 1
    inside[5:35, 45:50] = inside[30:35, 45:75] = 1
    maps = {"inside": inside, "boundary": np.zeros_like(inside)}
    assert len(postprocess("three_label", maps, None, THREE, 0.5)) == 2
    assert len(postprocess("three_label", maps, {"min_solidity": 0.8}, THREE, 0.5)) == 1


def test_small_seeds_are_left_out():
    inside = np.zeros((20, 20), np.float32)
    inside[5:7, 5:7] = 1
    boundary = np.zeros_like(inside)
    boundary[3:9, 3:9] = 1
    maps = {"inside": inside, "boundary": boundary}
    assert len(postprocess("three_label", maps, {"min_seed_um2": 1.0}, THREE, 0.5)) == 1
    assert len(postprocess("three_label", maps, {"min_seed_um2": 1.25}, THREE, 0.5)) == 0


def test_class_thresholds_without_class_map():
    maps = {"inside": np.ones((3, 3), np.float32), "boundary": np.zeros((3, 3), np.float32)}
    every = dict.fromkeys("abc", 0.5)
    for name in ("foreground", "seed", "min_solidity"):
        with pytest.raises(KaryoscopeError, match="'tp'"):
            METHOD(maps, {name: every}, THREE, 0.5)
    with pytest.raises(KaryoscopeError, match="no value for the class 'b'"):
        METHOD(maps, {"seed": {"a": 0.5}}, THREE, 0.5)
    with pytest.raises(KaryoscopeError, match="names the class 'd'"):
        METHOD(maps, {"seed": {"d": 0.5}}, THREE, 0.5)
