"""Standard maps are declared once."""

from __future__ import annotations

import pytest

from karyoscope.core.maps import MAPS, is_vector, map_length, pixel_shape
from karyoscope.core.scale import SAME_SCALE, same_scale


def test_every_map_of_a_post_processing_is_declared():
    postprocessing = pytest.importorskip("karyoscope.postprocessing")
    for method in postprocessing.POSTPROCESSINGS.values():
        assert set(method.maps) <= set(MAPS)


def test_every_map_of_a_network_is_declared_with_its_channels():
    torch = pytest.importorskip("torch")
    from karyoscope.networks.deployed import ACTIVATIONS
    from karyoscope.networks.outputs import output_channels

    for output, activate in ACTIVATIONS.items():
        raw = torch.zeros(1, output_channels([output], 6)[output], 4, 4)
        for name, values in activate(raw).items():
            # An inner contour is one of the channels beside the classes.
            assert values.shape[3:] == pixel_shape(name, 6)


def test_vectors_have_two_components():
    assert [name for name in MAPS if is_vector(name)] == ["hv", "centre"]
    assert all(MAPS[name].channels == 2 for name in MAPS if is_vector(name))
    assert not is_vector("another")


@pytest.mark.parametrize(("pixels", "stride", "values"), [(8, 1, 8), (8, 2, 4), (9, 2, 5)])
def test_a_map_covers_the_image(pixels, stride, values):
    assert map_length(pixels, stride) == values


def test_one_tolerance():
    assert same_scale(0.25, 0.25 * (1 + 0.99 * SAME_SCALE))
    assert not same_scale(0.25, 0.25 / (1 + 1.01 * SAME_SCALE))
    assert not same_scale(float("nan"), 0.25)
