import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.networks import build_network  # noqa: E402
from karyoscope.networks.colour_stack import six_colours  # noqa: E402


def test_equals_opencv():
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    rgb[0, 0], rgb[0, 1], rgb[0, 2] = 0, 255, (255, 0, 0)
    bgr = rgb[..., ::-1].copy()
    saturation = cv2.cvtColor(bgr, cv2.COLOR_BGR2HSV)[..., 1]
    chrominance = cv2.cvtColor(bgr, cv2.COLOR_BGR2YCrCb)[..., 1:]
    image = torch.from_numpy(rgb).permute(2, 0, 1)[None] / 255
    stack = (255 * six_colours(image)[0]).permute(1, 2, 0).numpy()
    np.testing.assert_allclose(stack[..., :3], rgb, atol=1e-3)
    np.testing.assert_allclose(stack[..., 3], saturation, atol=0.75)
    # OpenCV puts the middle at 128 of 255, and cuts off what lies beyond.
    np.testing.assert_allclose(np.clip(stack[..., 4:] + 0.5, 0, 255), chrominance, atol=1.0)


def test_any_network_can_see_six_colours():
    network = build_network("hovernet", 3, colours="six", width=0.125)
    outputs = network(torch.rand(1, 3, 32, 32))
    assert outputs["np"].shape == (1, 2, 32, 32)
    assert network.outputs == ("np", "hv", "types")
    assert all(key.startswith("network.") for key in network.state_dict())
    assert {id(p) for p in network.encoder.parameters()} < {id(p) for p in network.parameters()}


def test_unknown_colours_are_named():
    with pytest.raises(KaryoscopeError, match="no colours 'sepia'; there are rgb, six"):
        build_network("hovernet", 3, colours="sepia")
