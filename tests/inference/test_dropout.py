"""Dropout at test time: only where asked for, and the same channels in every window."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from karyoscope.inference import Bundle, Model  # noqa: E402
from karyoscope.inference.torch_engine import TorchEngine  # noqa: E402


class Dropping(nn.Module):
    """Eight copies of red, channels dropped, and their mean."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(8))
        self.dropout = nn.Dropout2d(share)

    def forward(self, images):
        copies = images[:, None, ..., 0].float() * self.scale[:, None, None]
        mean = self.dropout(copies).mean(1)
        return {
            "inside": mean,
            "boundary": mean,
            "tp": mean[:, ::2, ::2, None].expand(-1, -1, -1, 3),
        }


def engine(share: float = 0.4) -> TorchEngine:
    return TorchEngine(Dropping(share).eval(), autocast=False)


IMAGE = np.random.default_rng(0).integers(1, 256, (64, 96, 3), np.uint8)


def test_a_pass_repeats_and_passes_differ():
    dropping = engine()
    assert dropping.dropout
    plain = dropping.run(IMAGE[None])["inside"]
    passes = [dropping.run_at_random(IMAGE[None], k)["inside"] for k in range(16)]
    for number, values in enumerate(passes):
        again = dropping.run_at_random(IMAGE[None], number)["inside"]
        np.testing.assert_array_equal(values, again)
    assert len({values.tobytes() for values in passes}) > 3
    np.testing.assert_array_equal(dropping.run(IMAGE[None])["inside"], plain)
    np.testing.assert_allclose(np.mean(passes, 0), plain, rtol=0.5)


def test_windows_lose_the_same_channels():
    dropping = engine()
    whole = dropping.run_at_random(IMAGE[None], 5)["inside"]
    part = dropping.run_at_random(IMAGE[None, 32:, 32:64], 5)["inside"]
    np.testing.assert_array_equal(part, whole[:, 32:, 32:64])


def test_images_of_a_batch_lose_the_same_channels():
    dropping = engine()
    batch = np.stack([IMAGE, IMAGE[::-1], IMAGE])
    together = dropping.run_at_random(batch, 5)
    for number, image in enumerate(batch):
        alone = dropping.run_at_random(image[None], 5)
        for name, values in alone.items():
            np.testing.assert_array_equal(together[name][number], values[0])


def test_the_generator_of_others_is_left_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    engine().run_at_random(IMAGE[None], 1)
    assert torch.equal(torch.rand(3), expected)


def test_without_dropout_there_is_none():
    still = engine(0.0)
    assert not still.dropout
    a, b = still.run(IMAGE[None]), still.run_at_random(IMAGE[None], 3)
    np.testing.assert_array_equal(a["inside"], b["inside"])


def test_sixteen_views_use_it(tiny_bundle):
    bundle = Bundle(tiny_bundle)
    with_dropout, without = (Model(bundle, engine(share), 16).predict(IMAGE) for share in (0.4, 0))
    eight = [Model(bundle, engine(share), 8).predict(IMAGE)["inside"] for share in (0.4, 0)]
    assert np.abs(with_dropout["inside"] - without["inside"]).max() > 1
    np.testing.assert_array_equal(*eight)
