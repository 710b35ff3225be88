import numpy as np
import pytest
import scipy.ndimage as ndi
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from label_map_cases import THREE, dsb2018, label_maps, perfect_maps, some_classes

from karyoscope.core.errors import KaryoscopeError
from karyoscope.postprocessing import nuclei_from_labels
from karyoscope.postprocessing.tabulate import class_stride


@settings(max_examples=30, deadline=None)
@given(label_maps(), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_columns_equal_plain_numpy(labels, stride, seed):
    height, width = labels.shape
    shape = (-(-height // stride), -(-width // stride), 4)
    tp = np.random.default_rng(seed).random(shape).astype(np.float32)
    # Two columns over four pixels may be at stride 2 or 3; only strides of 1, 2, 4, 8 are in use.
    assume(class_stride(tp, labels.shape, THREE) == stride)
    nuclei = nuclei_from_labels(labels, tp, THREE, 0.5)
    full = tp.repeat(stride, 0).repeat(stride, 1)[:height, :width]
    ids = np.arange(1, labels.max() + 1)
    np.testing.assert_array_equal(nuclei.id, ids)
    centres = np.array(ndi.center_of_mass(labels > 0, labels, ids)).reshape(-1, 2) + 0.5
    np.testing.assert_allclose(np.stack([nuclei.y, nuclei.x], 1), centres, atol=1e-6)
    np.testing.assert_allclose(nuclei.area_um2, np.bincount(labels.ravel())[1:] * 0.25)
    sums = np.stack([ndi.sum(full[:, :, c], labels, ids) for c in (1, 2, 3)], 1)
    np.testing.assert_allclose(nuclei.probabilities, sums / sums.sum(1, keepdims=True), rtol=1e-5)
    best = nuclei.probabilities.argmax(1)
    np.testing.assert_array_equal(nuclei.class_id, np.array(THREE.ids)[best])


@pytest.mark.parametrize("stride", [1, 2])
def test_classes_of_real_labels(stride):
    for labels in dsb2018():
        tp = perfect_maps(labels, stride=stride)["tp"]
        nuclei = nuclei_from_labels(labels, tp, THREE, 0.5)
        truth = np.array((0, *THREE.ids))[some_classes(labels)[1:]]
        assert (nuclei.class_id == truth).mean() > 0.99


def test_a_weight_changes_class_and_probabilities():
    labels = np.ones((2, 2), np.int32)
    tp = np.tile(np.float32([0.5, 0.3, 0.2, 0.0]), (2, 2, 1))
    plain = nuclei_from_labels(labels, tp, THREE, 0.5)
    weighted = nuclei_from_labels(labels, tp, THREE, 0.5, {"b": 2.0})
    assert plain.class_names().tolist() == ["a"]
    assert weighted.class_names().tolist() == ["b"]
    np.testing.assert_allclose(weighted.probabilities, [[3 / 7, 4 / 7, 0]], rtol=1e-6)
    with pytest.raises(KaryoscopeError, match="'d'"):
        nuclei_from_labels(labels, tp, THREE, 0.5, {"d": 2.0})


def test_all_background_is_not_classified():
    tp = np.zeros((2, 2, 4), np.float32)
    tp[..., 0] = 1
    nuclei = nuclei_from_labels(np.ones((2, 2), np.int32), tp, THREE, 0.5)
    assert nuclei.class_id.tolist() == [0]
    assert nuclei.probabilities.tolist() == [[0, 0, 0]]


def test_bad_input():
    labels = np.ones((5, 5), np.int32)
    with pytest.raises(KaryoscopeError, match="4 channels"):
        nuclei_from_labels(labels, np.zeros((5, 5, 3), np.float32), THREE, 0.5)
    with pytest.raises(KaryoscopeError, match="no whole fraction"):
        nuclei_from_labels(labels, np.zeros((4, 5, 4), np.float32), THREE, 0.5)
    with pytest.raises(ValueError, match="gaps"):
        nuclei_from_labels(labels * 2, None, THREE, 0.5)
