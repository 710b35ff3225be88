"""Anti-aliased down-sampling: symmetric, the old weights' mean over shifts."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from timm.layers import Conv2dSame  # noqa: E402
from torch import nn  # noqa: E402

from karyoscope.networks import build_network  # noqa: E402
from karyoscope.networks.anti_alias import anti_alias, average_kernel  # noqa: E402


@pytest.mark.parametrize("size", [1, 3, 5])
def test_it_is_the_mean_of_four_shifted_convolutions(size):
    torch.manual_seed(0)
    plain = nn.Conv2d(4, 4, size, stride=2, padding=size // 2, groups=2, bias=True)
    wider = anti_alias(nn.Sequential(plain))[0]
    dense = nn.functional.conv2d(
        x := torch.randn(1, 4, 16, 16), plain.weight, plain.bias, padding=size // 2, groups=2
    )
    expected = nn.functional.avg_pool2d(dense, 2)
    torch.testing.assert_close(wider(x)[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])


def test_tensorflow_padding_and_symmetric_padding_become_the_same():
    torch.manual_seed(0)
    same = Conv2dSame(3, 8, 3, stride=2, bias=False)
    plain = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
    plain.load_state_dict(same.state_dict())
    x = torch.randn(1, 3, 32, 32)
    first, second = (anti_alias(nn.Sequential(layer))(x) for layer in (same, plain))
    torch.testing.assert_close(first, second)


def test_a_symmetric_kernel_commutes_with_flips_and_quarter_turns():
    kernel = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]])[None, None]
    plain = nn.Conv2d(1, 1, 3, stride=2, padding=1, bias=False)
    plain.weight.data = kernel
    wider = anti_alias(nn.Sequential(plain))
    x = torch.randn(1, 1, 16, 16)
    for turned in (lambda t: t.flip(3), lambda t: t.rot90(1, (2, 3))):
        torch.testing.assert_close(wider(turned(x)), turned(wider(x)))


def test_what_is_not_strided_stays():
    layers = nn.Sequential(
        nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 2, stride=2), nn.Conv2d(3, 3, 3, stride=2)
    )
    kept = list(layers)
    assert list(anti_alias(layers)) == kept


def test_the_sum_of_a_kernel_is_kept():
    kernel = torch.randn(5, 3, 3, 3)
    torch.testing.assert_close(average_kernel(kernel).sum((2, 3)), kernel.sum((2, 3)))


def test_the_large_form_ends_at_full_resolution_and_the_small_one_shuffles():
    x = torch.zeros(1, 3, 64, 96)
    for channels in ((16, 16, 16, 8), (16, 16, 16, 8, 8)):
        network = build_network("shared_unet", 4, channels=channels, anti_aliased=True).eval()
        outputs = network(x)
        assert outputs["three_label"].shape == (1, 3, 64, 96)
        assert outputs["types"].shape == (1, 5, 32, 48)
