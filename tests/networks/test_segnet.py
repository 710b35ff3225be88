"""Max-unpooling of SegNet against torch's own, and the encoder it wants."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from torch.nn import functional as F  # noqa: E402

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.networks import build_network  # noqa: E402
from karyoscope.networks.segnet import max_unpool, places_of_maxima  # noqa: E402


@pytest.mark.parametrize("ties", [False, True])
def test_unpooling_is_that_of_torch(ties):
    torch.manual_seed(0)
    features = torch.randn(2, 5, 12, 8)
    if ties:
        features = features.clamp(min=0)  # after ReLU, whole squares are 0
    pooled, indices = F.max_pool2d(features, 2, return_indices=True)
    values = torch.randn_like(pooled)
    expected = F.max_unpool2d(values, indices, 2)
    assert torch.equal(max_unpool(values, places_of_maxima(features)), expected)


def test_the_feature_maps_of_vgg_are_those_before_pooling():
    network = build_network("segnet", 2, encoder="vgg11").eval()
    assert network.encoder.strides == [1, 2, 4, 8, 16]
    seen = {}
    pools = [m for m in network.encoder.modules() if isinstance(m, torch.nn.MaxPool2d)]
    for number, pool in enumerate(pools):
        pool.register_forward_hook(lambda _, x, y, number=number: seen.update({number: x[0]}))
    image = torch.randn(1, 3, 64, 32)
    with torch.no_grad():
        features = network.encoder(image)
        assert network(image)["inner_contour"].shape == (1, 4, 64, 32)
    assert len(seen) >= 4
    for number, pooled in seen.items():
        assert torch.equal(pooled, features[number])


def test_another_encoder_is_refused():
    with pytest.raises(KaryoscopeError, match="feature maps at strides 2, 4"):
        build_network("segnet", 2, encoder="test_efficientnet")
