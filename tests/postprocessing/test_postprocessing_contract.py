"""What every registered post-processing must do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_map_cases import (
    THREE,
    assert_tidy,
    differing_pixels,
    dsb2018,
    label_maps,
    noisy,
    panoptic_quality,
    perfect_maps,
    read_mat,
    tidy,
)

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.postprocessing import POSTPROCESSINGS, Parameters, postprocess

every = pytest.mark.parametrize("name", sorted(POSTPROCESSINGS))


@every
def test_registry_entry(name):
    method = POSTPROCESSINGS[name]
    assert method.name == name
    assert method.maps
    assert issubclass(method.parameters, Parameters)
    assert method.parameters.model_config["frozen"]
    assert method.validate(method.parameters().model_dump()) == method.parameters()


@every
def test_perfect_maps_of_real_labels(name):
    scores = []
    for labels in dsb2018():
        found = POSTPROCESSINGS[name](perfect_maps(labels), None, THREE, 0.25)
        assert_tidy(found)
        scores.append(panoptic_quality(labels, found))
    assert np.mean(scores) > 0.97


#: Parameters that are not the defaults, for labels of 0.5 µm/px and of 0.25 µm/px. Annotators
#: outlined debris of a few pixels as well, which limits on areas would remove.
LIZARD = {
    "contour": {"min_inner_um2": 0},
}
CONSEP = {
    "three_label": {"min_seed_um2": 0, "min_area_um2": 0},
    "hover": {"opening_um": 0.75, "kernel_um": 2.75, "edge": 0.45},
}


@every
def test_perfect_maps_of_lizard(name, shared):
    folder = shared / "data" / "lizard" / "Lizard_Labels" / "Labels"
    scores = []
    for path in sorted(folder.glob("*.mat"))[::20]:
        labels = tidy(read_mat(path)[:400, :400])
        found = POSTPROCESSINGS[name](perfect_maps(labels), LIZARD.get(name), THREE, 0.5)
        scores.append(panoptic_quality(labels, found))
    assert len(scores) > 5
    assert np.mean(scores) > 0.97


@every
def test_perfect_maps_of_consep(name, shared):
    folder = shared / "data" / "consep" / "Train" / "Labels"
    scores = []
    for image in ("train_1", "train_13", "train_20"):
        labels = tidy(read_mat(folder / f"{image}.mat")[:500, :500])
        found = POSTPROCESSINGS[name](perfect_maps(labels), CONSEP.get(name), THREE, 0.25)
        scores.append(panoptic_quality(labels, found))
    assert np.mean(scores) > 0.97


@every
@settings(max_examples=30, deadline=None)
@given(label_maps(), st.integers(0, 2**31), st.sampled_from([0.25, 0.5]))
def test_every_nucleus_is_in_one_piece_and_has_no_hole(name, labels, seed, mpp):
    """Maps of a network that errs: holes, bridges and parts that lie apart."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(labels.shape) < 0.1
    maps = noisy(perfect_maps(labels), seed)
    for values in maps.values():
        values[wrong] = 1 - values[wrong]
    found = POSTPROCESSINGS[name](maps, {"min_area_um2": 0}, THREE, mpp)
    assert_tidy(found)


@every
@pytest.mark.parametrize("seed", range(3))
def test_noisy_maps_give_tidy_labels_and_a_table(name, seed):
    maps = noisy(perfect_maps(dsb2018()[seed]), seed)
    labels = POSTPROCESSINGS[name](maps, None, THREE, 0.25)
    assert labels.max() > 10
    assert_tidy(labels)
    nuclei = postprocess(name, maps, None, THREE, 0.25)
    np.testing.assert_array_equal(nuclei.label_image(*labels.shape[::-1]), labels)
    assert nuclei.mpp == 0.25
    assert nuclei.class_id.all()


CROWD = tidy(np.hstack([dsb2018()[2], np.where(dsb2018()[1] > 0, dsb2018()[1] + 200, 0)]))
CROWD_MAPS = noisy(perfect_maps(CROWD))


@every
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 96), st.integers(0, 300), st.integers(150, 256), st.integers(150, 640))
def test_a_crop_with_context_gives_the_same_labels(name, top, left, height, width):
    """As the pipeline cuts: within 64 pixels of context, nothing differs from the whole."""
    context = 64
    whole = POSTPROCESSINGS[name](CROWD_MAPS, None, THREE, 0.25)
    part = (slice(top, top + height), slice(left, left + width))
    found = POSTPROCESSINGS[name]({k: v[part] for k, v in CROWD_MAPS.items()}, None, THREE, 0.25)
    inner = np.zeros_like(whole, bool)
    inner[top + context : top + height - context, left + context : left + width - context] = True
    a, b = np.where(inner, whole, 0)[part], np.where(inner[part], found, 0)
    assert differing_pixels(a, b) == 0


def noise(shape: tuple[int, int]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    maps = {k: rng.random(shape) for k in ("inside", "boundary", "np", "contour")}
    maps |= {k: rng.uniform(-1, 1, (*shape, 2)) for k in ("hv", "centre")}
    maps["tp"], maps["distance"] = rng.random((*shape, 4)), rng.uniform(-1, 6, shape)
    return {k: v.astype(np.float32) for k, v in maps.items()}


@every
@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (2, 3), (97, 131)])
def test_odd_sizes_and_pure_noise(name, shape):
    labels = POSTPROCESSINGS[name](noise(shape), None, THREE, 0.5)
    assert labels.shape == shape
    assert_tidy(labels)


@every
def test_no_nuclei(name):
    maps = {k: np.zeros_like(v) for k, v in noise((50, 60)).items()}
    maps["tp"][..., 0] = 1
    nuclei = postprocess(name, maps, None, THREE, 0.5)
    assert isinstance(nuclei, Nuclei)
    assert len(nuclei) == 0
    assert not POSTPROCESSINGS[name](maps, None, THREE, 0.5).any()


@every
def test_zeros_are_background(name):
    """As windows that are not run have them; nuclei 8 µm away from the zeros stay as they are."""
    labels = dsb2018()[0]
    maps = perfect_maps(labels)
    nothing = {key: np.zeros_like(values) for key, values in maps.items()}
    assert not POSTPROCESSINGS[name](nothing, None, THREE, 0.25).any()
    whole = POSTPROCESSINGS[name](maps, None, THREE, 0.25)
    middle = labels.shape[1] // 2
    for values in maps.values():
        values[:, middle * values.shape[1] // labels.shape[1] :] = 0
    found = POSTPROCESSINGS[name](maps, None, THREE, 0.25)
    assert not found[:, middle + 32 :].any()
    kept = ~np.isin(whole, np.unique([0, *whole[:, middle - 32 :].ravel()]))
    assert kept.any()
    assert differing_pixels(np.where(kept, whole, 0), np.where(kept, found, 0)) == 0


@every
def test_foreground_everywhere(name):
    maps = {k: np.zeros_like(v) for k, v in noise((50, 60)).items()}
    maps["inside"][:] = maps["np"][:] = maps["tp"][..., 1] = maps["distance"][:] = 1
    nuclei = postprocess(name, maps, None, THREE, 0.5)
    assert len(nuclei) <= 1
    assert (nuclei.area_um2 == 750).all()


@every
def test_works_on_views_and_other_floats(name):
    maps = perfect_maps(dsb2018()[0])
    expected = POSTPROCESSINGS[name](maps, None, THREE, 0.25)
    views = {k: np.asfortranarray(v.astype(np.float64)) for k, v in maps.items()}
    for values in views.values():
        values.flags.writeable = False
    np.testing.assert_array_equal(POSTPROCESSINGS[name](views, None, THREE, 0.25), expected)


@every
def test_user_errors_are_one_line(name):
    method = POSTPROCESSINGS[name]
    maps = noise((8, 8))
    first = method.maps[0]
    cases = [
        ({k: v for k, v in maps.items() if k != first}, None, f"needs the map '{first}'"),
        (maps, {"min_aera_um2": 3}, "min_aera_um2"),
        (maps, {"min_area_um2": -1}, "min_area_um2"),
        (maps, {"min_solidity": {"x": 0.5}}, "names the class 'x'"),
    ]
    if len(set(method.maps) - {"tp"}) > 1:
        cases.append((maps | {first: maps[first][:7]}, None, "differ in shape"))
    for bad, params, message in cases:
        with pytest.raises(KaryoscopeError, match=message) as error:
            postprocess(name, bad, params, THREE, 0.5)
        assert "\n" not in str(error.value)


def test_unknown_name():
    with pytest.raises(KaryoscopeError, match=r"no post-processing 'x'; there are .*three_label"):
        postprocess("x", {}, None, THREE, 0.5)
