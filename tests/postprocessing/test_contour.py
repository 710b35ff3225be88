import cv2
import numpy as np
import pytest
from label_map_cases import THREE

from karyoscope.core.errors import KaryoscopeError
from karyoscope.postprocessing import POSTPROCESSINGS, postprocess
from karyoscope.postprocessing.contour import dilate

METHOD = POSTPROCESSINGS["contour"]


@pytest.mark.parametrize("radius", [1, 2, 4])
def test_dilation_of_apart_labels_is_the_disc(radius):
    labels = np.zeros((40, 60), np.int32)
    labels[8:14, 8:20] = 1
    labels[28:33, 40:45] = 2
    reach = np.arange(-radius, radius + 1)
    disc = (reach[:, None] ** 2 + reach**2 <= radius**2).astype(np.uint8)
    expected = cv2.dilate((labels == 1).astype(np.uint8), disc)
    expected = expected + 2 * cv2.dilate((labels == 2).astype(np.uint8), disc)
    np.testing.assert_array_equal(dilate(labels, radius), expected)


def test_dilation_does_not_run_into_a_neighbour():
    labels = np.array([[1, 0, 2, 0, 0, 0]], np.int32)
    np.testing.assert_array_equal(dilate(labels, 1), [[1, 1, 2, 2, 0, 0]])


def test_contour_parts_touching_nuclei_and_small_parts_go():
    tp = np.zeros((12, 30, 4), np.float32)
    tp[..., 0] = 0.9
    tp[2:10, 2:22, 0], tp[2:10, 2:12, 1], tp[2:10, 12:22, 3] = 0.1, 0.8, 0.8
    tp[2:5, 25:28] = [0.1, 0.8, 0, 0]
    contour = np.zeros((12, 30), np.float32)
    contour[:, 11:13] = 0.95
    nuclei = postprocess("contour", {"tp": tp, "contour": contour}, None, THREE, 0.25)
    assert nuclei.class_names().tolist() == ["a", "c"]
    # Nine columns of eight pixels, one pixel of dilation all around but at the corners.
    np.testing.assert_allclose(nuclei.area_um2 / 0.0625, [72 + 2 * (9 + 8), 72 + 2 * (9 + 8)])


def test_wrong_number_of_classes():
    maps = {"tp": np.zeros((8, 8, 3), np.float32), "contour": np.zeros((8, 8), np.float32)}
    with pytest.raises(KaryoscopeError, match="4 channels"):
        METHOD(maps, None, THREE, 0.25)
