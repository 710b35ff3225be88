import numpy as np
import pytest
from hypothesis import given, settings
from label_cases import label_maps
from scipy import ndimage

torch = pytest.importorskip("torch")

from karyoscope.targets.distance import distance_map  # noqa: E402


def test_a_square_by_hand():
    ids = torch.zeros(1, 7, 7, dtype=torch.int32)
    ids[0, 1:6, 1:6] = 1
    expected = torch.tensor([0, 1, 2, 3, 2, 1, 0]).float()
    assert torch.equal(distance_map(ids)[0, 3], expected)


@settings(max_examples=50, deadline=None)
@given(label_maps())
def test_equals_a_distance_transform_of_each_nucleus(ids):
    ours = distance_map(ids).numpy()
    for image, distance in zip(ids.numpy(), ours, strict=True):
        expected = np.zeros(image.shape)
        for label in np.unique(image[image > 0]):
            nucleus = image == label
            if nucleus.all():
                expected[:] = max(image.shape)
            else:
                expected += ndimage.distance_transform_edt(nucleus)
        np.testing.assert_allclose(distance, expected, rtol=1e-6)


def test_no_nuclei():
    assert not distance_map(torch.zeros(2, 9, 4, dtype=torch.int32)).any()
