"""The generator and the discriminator: shapes, what each input does, gradients."""

import pytest

torch = pytest.importorskip("torch")

from karyoscope.networks.mask2image import (  # noqa: E402
    NOISE,
    Discriminator,
    Mask2Image,
    draw_noise,
    layout_channels,
)

K = 3


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return Mask2Image(K, width=4, halvings=2, blocks=1).eval()


def inputs(b=2, h=48, w=32, seed=0):
    rng = torch.Generator().manual_seed(seed)
    layout = (torch.rand(b, layout_channels(K), h, w, generator=rng) < 0.1).float()
    style = torch.tensor([0.2, -0.1, 0.3, 0.2, 0.1, 0.15]).repeat(b, 1)
    return layout, style, draw_noise((b, h, w), rng)


def test_image_has_the_size_of_the_layout_and_the_colours_of_the_style(generator):
    layout, style, noise = inputs()
    image = generator(layout, style, noise)
    assert image.shape == (2, 3, 48, 32)
    assert torch.allclose(image.mean((2, 3)), style[:, :3], atol=1e-3)
    assert torch.allclose(image.std((2, 3)), style[:, 3:], atol=0.01)


def test_colours_are_never_out_of_range(generator):
    layout, style, noise = inputs()
    image = generator(layout, style + 0.8, noise)
    assert image.min() >= -1
    assert image.max() <= 1


@pytest.mark.parametrize("which", [0, 1, 2])
def test_every_input_matters(generator, which):
    given = list(inputs())
    before = generator(*given)
    given[which] = given[which] * 0.5 + 0.1 * torch.rand(given[which].shape)
    assert not torch.allclose(generator(*given), before, atol=1e-3)


def test_images_of_a_batch_do_not_mix(generator):
    layout, style, noise = inputs()
    together = generator(layout, style, noise)
    alone = generator(layout[1:], style[1:], noise[1:])
    assert torch.allclose(together[1:], alone, atol=1e-4)


def test_every_weight_of_both_sides_learns(generator):
    layout, style, noise = inputs()
    discriminator = Discriminator(K, width=4, halvings=2)
    scores, features = discriminator(layout, generator(layout, style, noise))
    total = sum(s.square().mean() for s in scores) + sum(f.abs().mean() for f in features)
    total.backward()
    for module in (generator, discriminator):
        for name, weight in module.named_parameters():
            assert weight.grad is not None, name
            assert weight.grad.isfinite().all(), name


def test_discriminator_scores_patches_at_two_scales():
    layout, _, _ = inputs()
    scores, features = Discriminator(K, width=4, halvings=2)(layout, torch.zeros(2, 3, 48, 32))
    assert [tuple(s.shape) for s in scores] == [(2, 1, 12, 8), (2, 1, 6, 4)]
    assert len(features) == 4


def test_noise_is_fine_and_coarse_and_follows_its_seed():
    first, again = (draw_noise((1, 64, 64), torch.Generator().manual_seed(3)) for _ in "ab")
    assert torch.equal(first, again)
    assert first.shape == (1, NOISE, 64, 64)
    steps = (first[..., 1:] - first[..., :-1]).abs().mean((0, 2, 3))
    assert steps[: NOISE // 2].min() > 4 * steps[NOISE // 2 :].max()
