"""RestainNet: what it sees, where it begins, how far it looks."""

import pytest

torch = pytest.importorskip("torch")

from karyoscope.networks.restainnet import Restained, RestainNet, grey_of  # noqa: E402


def some(levels: int, seed: int = 0) -> RestainNet:
    """A network that has learned nothing but says something."""
    torch.manual_seed(seed)
    network = RestainNet(width=4, levels=levels).eval()
    torch.nn.init.normal_(network.head.weight)
    return network


def test_it_begins_at_the_grey_image():
    grey = 0.05 + 0.9 * torch.rand(2, 1, 16, 24)
    with torch.no_grad():
        colours = RestainNet(width=4).eval()(grey)
    torch.testing.assert_close(colours, grey.expand(-1, 3, -1, -1))


def test_colour_is_taken_out_and_strength_kept():
    rgb = torch.tensor([1.0, 0.5, 0.25]).view(1, 3, 1, 1)
    assert grey_of(rgb).item() == pytest.approx(0.299 + 0.587 * 0.5 + 0.114 * 0.25)
    assert grey_of(torch.full((1, 3, 2, 2), 0.4)).flatten().tolist() == pytest.approx([0.4] * 4)


@pytest.mark.parametrize("levels", [2, 3, 4])
def test_nothing_beyond_its_context_matters(levels):
    network = some(levels).double()
    edge = 2 * network.context + 4 * network.multiple_of
    grey = torch.rand(1, 1, edge, edge, dtype=torch.float64)
    grey.requires_grad_()
    assert network.context % network.multiple_of == 0
    for y in range(edge // 2, edge // 2 + network.multiple_of):
        (gradient,) = torch.autograd.grad(network(grey)[0, :, y, y].sum(), grey)
        seen = gradient[0, 0].nonzero()
        assert (seen - y).abs().max() <= network.context
    assert (seen - y).abs().max() > network.context / 2


def test_gradients_reach_every_parameter():
    network = some(3).train()
    (network(torch.rand(2, 1, 16, 16)) ** 2).mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_deployed_it_takes_pixels_and_gives_colours():
    deployed = Restained(some(3))
    images = torch.randint(0, 256, (2, 20, 12, 3), dtype=torch.uint8)
    with torch.no_grad():
        (name, colours), *_ = deployed(images).items()
        alone = deployed(images[1:])["rgb"]
    assert name == "rgb"
    assert colours.shape == (2, 20, 12, 3)
    assert 0 <= colours.min() <= colours.max() <= 1
    torch.testing.assert_close(colours[1:], alone)
    assert deployed.strides() == {"rgb": 1}
