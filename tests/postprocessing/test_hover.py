import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_map_cases import (
    THREE,
    differing_pixels,
    dsb2018,
    noisy,
    panoptic_quality,
    perfect_maps,
    read_mat,
    tidy,
)

from karyoscope.postprocessing import POSTPROCESSINGS
from karyoscope.postprocessing.hover import split_by_steepness, step_response

METHOD = POSTPROCESSINGS["hover"]


@pytest.mark.parametrize("name", ["consep_train_3", "consep_train_8", "glas_12", "glas_12_x2"])
def test_tile_scale_equals_the_published_program(shared, name):
    """The program's constants are pixels whatever the scan, hence 0.25 for the 20x case too."""
    golden = np.load(shared / "golden" / "hover_maps.npz")
    expected = json.loads((shared / "golden" / "hover_maps_expected.json").read_text("utf-8"))[name]
    maps = {"np": golden[f"{name}_maps"][..., 1], "hv": golden[f"{name}_maps"][..., 2:]}
    labels = METHOD(maps, {"scale": "tile"}, THREE, 0.25)
    assert labels.max() == expected["n"]
    assert differing_pixels(labels, golden[f"{name}_post"]) <= 0.001 * labels.size


def lizard_maps(shared):
    folder = shared / "data" / "lizard" / "Lizard_Labels" / "Labels"
    for path in sorted(folder.glob("*.mat"))[::20]:
        labels = read_mat(path)[:500, :500]
        yield labels, perfect_maps(labels)


def test_perfect_and_noisy_maps_of_lizard(shared):
    perfect, fixed, tile = [], [], []
    for labels, maps in lizard_maps(shared):
        perfect.append(panoptic_quality(labels, METHOD(maps, None, THREE, 0.5)))
        maps = noisy(maps)
        fixed.append(panoptic_quality(labels, METHOD(maps, None, THREE, 0.5)))
        tile.append(panoptic_quality(labels, METHOD(maps, {"scale": "tile"}, THREE, 0.5)))
    assert np.mean(perfect) > 0.97
    assert np.mean(fixed) > np.mean(tile) - 0.005


def test_perfect_maps_of_consep(shared):
    """The published opening loses small nuclei; with a smaller one the maps are used in full."""
    folder = shared / "data" / "consep" / "Train" / "Labels"
    published, finer = [], []
    for name in ("train_1", "train_13", "train_20"):
        labels = tidy(read_mat(folder / f"{name}.mat")[:500, :500])
        maps = perfect_maps(labels)
        published.append(panoptic_quality(labels, METHOD(maps, None, THREE, 0.25)))
        params = {"opening_um": 0.75, "kernel_um": 2.75, "edge": 0.45}
        finer.append(panoptic_quality(labels, METHOD(maps, params, THREE, 0.25)))
    assert np.mean(published) > 0.9
    assert np.mean(finer) > 0.97


@pytest.mark.parametrize("energy", ["gradient", "distance"])
@pytest.mark.parametrize("markers", ["gradient", "distance", "coordinates"])
@pytest.mark.parametrize("upsample", [1, 2])
def test_alternatives_find_most_nuclei(energy, markers, upsample):
    labels = dsb2018()[1]
    params = {"energy": energy, "markers": markers, "upsample": upsample}
    found = METHOD(perfect_maps(labels), params, THREE, 0.25)
    np.testing.assert_array_equal(tidy(found), found)
    assert panoptic_quality(labels, found) > 0.8


def test_two_halves_part_where_the_distance_falls():
    probability = np.zeros((40, 80), np.float32)
    probability[8:32, 10:70] = 1
    hv = np.zeros((40, 80, 2), np.float32)
    hv[8:32, 10:40, 0] = np.linspace(-1, 1, 30)
    hv[8:32, 40:70, 0] = np.linspace(-1, 1, 30)
    hv[8:32, 10:70, 1] = np.linspace(-1, 1, 24)[:, None]
    labels = METHOD({"np": probability, "hv": hv}, None, THREE, 0.25)
    assert labels.max() == 2
    np.testing.assert_array_equal(labels > 0, probability > 0)
    assert set(np.unique(labels[20, 10:38])) == {1}
    assert set(np.unique(labels[20, 42:70])) == {2}


@pytest.mark.parametrize("size", [3, 11, 21, 31])
def test_step_response(size):
    cv2 = pytest.importorskip("cv2")
    step = np.ones((101, 101), np.float32)
    step[:, 50:] = -1
    fall = cv2.Sobel(step, cv2.CV_64F, 1, 0, ksize=size)
    assert np.isclose(-fall.min(), step_response(size))


@given(st.integers(0, 2**31), st.sampled_from([0.0, 0.4, 1.0]), st.sampled_from([0.0, 0.8]))
def test_heights_and_markers_are_those_of_the_equations(seed, edge, slope):
    """S is the larger of two falls, E is (1 - S) and M is S < k within the mask."""
    rng = np.random.default_rng(seed)
    first, second = rng.normal(0, 0.5, (2, 9, 13)).astype(np.float32)
    mask = rng.integers(0, 2, first.shape).astype(np.uint8)
    tops, slopes = np.float32([0.5, 0.4]), np.float32([0.8, slope])
    # A direction without any gradient is all edge.
    falls = [
        (top - g) * s if s else np.ones_like(g)
        for top, g, s in zip(tops, (first, second), slopes, strict=True)
    ]
    steepness = np.maximum(*falls)
    markers = split_by_steepness(first, second, mask, tops, slopes, np.float32(edge))
    np.testing.assert_array_equal(markers, mask & (steepness < edge))
    np.testing.assert_allclose(first, (1 - steepness) * mask, atol=1e-6)
