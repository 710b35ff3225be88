"""Maps that share the memory of the engine."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from karyoscope.inference import load_model


@pytest.fixture(scope="module")
def tissue(example_slide) -> np.ndarray:
    return np.ascontiguousarray(tifffile.imread(example_slide)[1000:1320, 900:1284])


@pytest.mark.parametrize("tta", [1, 2])
def test_maps_that_share_memory_are_the_same(tiny_bundle, tissue, tta):
    model = load_model(tiny_bundle, "cpu", 1, tta)
    images = [np.ascontiguousarray(tissue[:96, :96]), np.ascontiguousarray(tissue[96:192, :96])]
    alone = [model.predict(image) for image in images]
    for image, expected in zip(images, alone, strict=True):
        (found,) = model.predict_batch([image], shared=True)
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values)
    # Those of predict are copies: runs that came later have not changed them.
    again = model.predict(images[0])
    for name, values in alone[0].items():
        np.testing.assert_array_equal(again[name], values)
