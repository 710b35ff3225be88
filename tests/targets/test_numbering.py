import numpy as np
import pytest
from hypothesis import given, settings
from label_cases import label_maps

torch = pytest.importorskip("torch")

from karyoscope.targets.numbering import numbered  # noqa: E402


def test_by_hand():
    ids = torch.tensor([[[0, 9, 9, 0], [4, 9, 0, 7], [4, 0, 7, 7]], [[-1, 0, 0, 4]] * 3])
    expected = [[[0, 1, 1, 0], [2, 1, 0, 3], [2, 0, 3, 3]], [[0, 0, 0, 1]] * 3]
    assert numbered(ids).tolist() == expected


@settings(max_examples=30, deadline=None)
@given(label_maps())
def test_as_looking_at_each_pixel_in_turn(ids):
    for labels, numbers in zip(ids.numpy(), numbered(ids).numpy(), strict=True):
        known = {}
        for label in labels.ravel():
            if label > 0:
                known.setdefault(label, len(known) + 1)
        expected = [known.get(label, 0) for label in labels.ravel()]
        assert np.array_equal(numbers.ravel(), expected)
