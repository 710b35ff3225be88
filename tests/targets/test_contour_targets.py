import numpy as np
import pytest
from hypothesis import given, settings
from label_cases import label_maps
from scipy import ndimage

torch = pytest.importorskip("torch")

from karyoscope.targets.contour_map import contour  # noqa: E402


def test_a_square_by_hand():
    ids = torch.zeros(1, 7, 7, dtype=torch.int32)
    ids[0, 2:5, 2:5] = 3
    picture = [
        ".......",
        "..xxx..",
        ".xxxxx.",
        ".xx.xx.",
        ".xxxxx.",
        "..xxx..",
        ".......",
    ]
    expected = torch.tensor([[c == "x" for c in row] for row in picture])
    assert torch.equal(contour(ids)[0], expected)


def test_touching_nuclei_are_parted():
    ids = torch.ones(1, 5, 8, dtype=torch.int32)
    ids[..., 4:] = 2
    assert torch.equal(contour(ids)[0, 2], torch.tensor([0, 0, 0, 1, 1, 0, 0, 0]).bool())


@settings(max_examples=30, deadline=None)
@given(label_maps())
def test_dilated_but_not_eroded(ids):
    cross = ndimage.generate_binary_structure(2, 1)
    expected = np.zeros(ids.shape, bool)
    for k, image in enumerate(ids.numpy()):
        for label in np.unique(image[image > 0]):
            nucleus = image == label
            expected[k] |= ndimage.binary_dilation(nucleus, cross) & ~ndimage.binary_erosion(
                nucleus, cross, border_value=1
            )
    np.testing.assert_array_equal(contour(ids).numpy(), expected)
